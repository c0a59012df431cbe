"""The registry of known public pools: their sources, and the files of each pool.

`simulator/registry.toml` comes with the program; comments at its top describe the form. A source
checkout has a copy in `datasets_cache/`, which the tests hold equal. `registry.toml` in the folder
of pools belongs to the user; its entries override those of the same name key by key.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from simulator import PACKAGE
from simulator.answers.equivalence import ANSWER_KINDS
from simulator.counting import COUNTING, EQUALITY, UNPARSED, Equality, Unparsed
from simulator.errors import UserError, nearest
from simulator.storage import JsonObject, read_plain

T = TypeVar("T")

FILE_NAME = "registry.toml"
"""Name of the user's own registry in the folder of pools."""

SHIPPED = Path(PACKAGE) / FILE_NAME
"""The registry that comes with the program."""

REPO_TYPES = ("dataset", "model")

GITHUB = "github:"
"""Prefix of a repository on GitHub; others are on the Hugging Face Hub."""

_COMMIT = re.compile("[0-9a-f]{40}")
_SHA256 = re.compile("[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+")
_NAME_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
_SEPARATORS = re.compile(r"[-_. ]")

_OPTIONS = ("map", "answer_kind", "tokenizer", "drop_bad_rows", *COUNTING)
_ENTRY_KEYS = (
    *("repository", "revision", "files", "importer", "licence", "citation", "pools"),
    *("repo_type", "ignore", "dataset", *_OPTIONS),
)
_POOL_KEYS = ("model", "benchmark", "files", "words", "sha256", *_OPTIONS)

_FORMS: dict[Any, tuple[str, str]] = {
    str: ("text", '"…"'),
    list[str]: ("list of texts", '["…"]'),
    dict[str, str]: ("table of texts", '{field = "column"}'),
}
"""Types of values: name, and an example for an error."""


@dataclass(frozen=True, kw_only=True)
class PoolRule:
    """Rule that selects the files of one pool of an entry, with its import options.

    A file belongs to the pool if any of the globs `files` matches its path, or if the path contains
    a word of each group of `words`. `sha256` has the hashes of `files`, or none.
    """

    model: str
    benchmark: str
    files: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()
    field_map: Mapping[str, str] = field(default_factory=dict)
    answer_kind: str | None = None
    tokenizer: str | None = None
    drop_bad_rows: bool = False
    equality: Equality = "meaning"
    unparsed: Unparsed = "abstain"
    sha256: tuple[str, ...] = ()

    def matches(self, path: str) -> bool:
        """Check that the file at `path` in the repository belongs to this pool."""
        if self.files:
            return any_matches(path, self.files)
        text = _squeezed(path)
        return all(any(_squeezed(word) in text for word in group) for group in self.words)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One known public source and its pools; `repository` is `owner/name`, `github` says where."""

    name: str
    repository: str
    revision: str
    files: tuple[str, ...]
    importer: str
    dataset: str
    licence: str
    citation: str
    pools: tuple[PoolRule, ...]
    ignore: tuple[str, ...] = ()
    repo_type: str = "dataset"
    github: bool = False

    @property
    def pinned(self) -> bool:
        """True if the revision is a full commit, which never changes."""
        return is_commit(self.revision)

    @property
    def source(self) -> str:
        """Address of the repository (`hf://…`, or its page on GitHub), stored in the pools."""
        if self.github:
            return self.url
        return f"hf://{self.repo_type}s/{self.repository}"

    @property
    def url(self) -> str:
        """Page of the repository on the Hub or on GitHub."""
        if self.github:
            return f"https://github.com/{self.repository}"
        prefix = "datasets/" if self.repo_type == "dataset" else ""
        return f"https://huggingface.co/{prefix}{self.repository}"

    def only(self, patterns: Sequence[str]) -> Entry:
        """Return the entry with the pools alone whose `model/benchmark` a glob matches.

        Raises
        ------
        UserError
            None does.
        """
        names = [f"{rule.model}/{rule.benchmark}" for rule in self.pools]
        wanted = [any_matches(name, patterns) for name in names]
        pools = [rule for rule, is_wanted in zip(self.pools, wanted, strict=True) if is_wanted]
        if not pools:
            raise UserError(f"--only {' '.join(patterns)}: {self.name} has {', '.join(names)}")
        files = tuple(file for rule in pools for file in rule.files)
        return replace(self, pools=tuple(pools), files=files if self.github else self.files)

    def counted(
        self, dataset: str | None, equality: Equality | None, unparsed: Unparsed | None
    ) -> Entry:
        """Return the entry with pools of another name and way of counting, as far as given."""
        counting = {"equality": equality, "unparsed": unparsed}
        given: Any = {name: value for name, value in counting.items() if value is not None}
        pools = tuple(replace(rule, **given) for rule in self.pools)
        return replace(self, dataset=dataset or self.dataset, pools=pools)

    def pool_name(self, rule: PoolRule) -> str:
        """Return the name `dataset/model/benchmark` of one of the pools."""
        return f"{self.dataset}/{rule.model}/{rule.benchmark}"

    def wants(self, path: str) -> bool:
        """Check that the file at `path` in the repository is to be downloaded."""
        return any_matches(path, self.files) and not any_matches(path, self.ignore)


def is_commit(revision: str) -> bool:
    """Check that a revision is a full commit: 40 hexadecimal digits."""
    return _COMMIT.fullmatch(revision) is not None


def any_matches(path: str, patterns: Iterable[str]) -> bool:
    """Check that any of the globs matches a path, ignoring case; `*` also matches slashes."""
    return any(fnmatchcase(path.casefold(), pattern.casefold()) for pattern in patterns)


def read_registry(cache: Path) -> dict[str, Entry]:
    """Read all known public sources by name, those of the program and the user's own in `cache`.

    Raises
    ------
    UserError
        A registry cannot be read, or an entry is not valid; the message names the file, the entry
        and the key.
    """
    own = cache / FILE_NAME
    files = [SHIPPED, own] if own.exists() else [SHIPPED]
    merged: dict[str, dict[str, Any]] = {}
    origins: dict[tuple[str, str], Path] = {}
    for file in files:
        for name, table in _read_toml(file).items():
            if not isinstance(table, dict):
                raise UserError(
                    f"{file}: {name} is outside of an entry; put it under a heading like [mine]"
                )
            merged.setdefault(name, {}).update(table)
            origins.update({(name, key): file for key in table})
            origins[name, ""] = file
    return {name: _Table(origins, name, table).entry() for name, table in sorted(merged.items())}


def find_entry(cache: Path, name: str) -> Entry:
    """Return the entry of a name; raise `UserError` with the nearest names if there is none."""
    entries = read_registry(cache)
    if name in entries:
        return entries[name]
    folded = {each.casefold(): each for each in entries}
    near = difflib.get_close_matches(name.casefold(), folded, n=3)
    near += [each for each in folded if name.casefold() in each and each not in near]
    hint = f"did you mean {' or '.join(folded[each] for each in near)}? " if near else ""
    raise UserError(
        f"no known public pool {name!r}; {hint}deepprune-sim data list --known shows all; add "
        f"your own to {cache / FILE_NAME}"
    )


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_plain(file).decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{file}: not readable as TOML ({error}); correct it there") from None
    except UnicodeDecodeError:
        raise UserError(f"{file}: not UTF-8; convert it (iconv -t utf-8)") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); check the path") from None


class _Table:
    """A table of the registry, which is checked and converted to an `Entry`."""

    def __init__(
        self,
        origins: Mapping[tuple[str, str], Path],
        entry: str,
        table: Mapping[str, Any],
        pool: int | None = None,
    ) -> None:
        self.origins = origins
        self.name = entry
        self.table = JsonObject(table, self._wrong)
        self.pool = pool

    def fault(self, key: str, what: str) -> UserError:
        top = key if self.pool is None else "pools"
        file = self.origins.get((self.name, top), self.origins[self.name, ""])
        where = f"[{self.name}]" if self.pool is None else f"[[{self.name}.pools]] {self.pool}"
        return UserError(f"{file}: {where} {key}: {what}")

    def _wrong(self, key: str, kind: Any, fields: Mapping[str, Any]) -> UserError:
        if kind is bool:
            return self.fault(key, "must be true or false")
        what, form = _FORMS[kind]
        told = f"not a {what}; give it as" if key in fields else "missing; add"
        return self.fault(key, f"{told} {key} = {form}")

    def known_keys_only(self, known: Collection[str]) -> None:
        for key in self.table.fields:
            if key not in known:
                raise self.fault(key, f"no such key; {nearest(key, known, 'use one of')}")

    def text(self, key: str, default: str | None = None) -> str:
        value = default if default and key not in self.table.fields else self.table.get(key, str)
        if not value.strip():
            raise self.table.error(key, str, self.table.fields)
        return value.strip()

    def one_of(self, key: str, known: Sequence[T]) -> T:
        """Return a value that is one of `known`, the first of them if the key is not there."""
        value = self.text(key, str(known[0]))
        for each in known:
            if value == each:
                return each
        raise self.fault(key, f"{value!r}; use one of {', '.join(map(str, known))}")

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.table.optional(key, list[str]) or []
        if not all(each.strip() for each in value):
            raise self.fault(key, "contains an empty text; remove it")
        return tuple(value)

    def part(self, key: str, default: str | None = None) -> str:
        """Return a part of a pool's name, which must be usable as a folder name."""
        value = self.text(key, default)
        if not _NAME_PART.fullmatch(value):
            raise self.fault(
                key,
                f"{value!r} cannot be part of a pool's name: letters, digits and . _ + - only, "
                "starting with a letter, digit or _",
            )
        return value

    def entry(self) -> Entry:
        if not _NAME_PART.fullmatch(self.name):
            raise self.fault("", "not a usable name; use letters, digits and . _ + -")
        self.known_keys_only(_ENTRY_KEYS)
        named = self.text("repository")
        github, repository = named.startswith(GITHUB), named.removeprefix(GITHUB)
        if not _REPOSITORY.fullmatch(repository):
            raise self.fault("repository", f"{named!r} is not of the form owner/name")
        repo_type = self.text("repo_type", "dataset")
        if repo_type not in REPO_TYPES:
            raise self.fault("repo_type", f"{repo_type!r}; use one of {', '.join(REPO_TYPES)}")
        tables = self.table.fields.get("pools")
        if not isinstance(tables, list) or not tables:
            raise self.fault("pools", f"no pool; add at least one [[{self.name}.pools]]")
        rules = tuple(
            self._rule(index, table if isinstance(table, dict) else {})
            for index, table in enumerate(tables, 1)
        )
        files = self._files_on_github(rules) if github else self.texts("files")
        if not files:
            raise self.fault("files", 'no pattern; give at least one, such as "*.json"')
        names = [(rule.model, rule.benchmark) for rule in rules]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise self.fault("pools", f"{'/'.join(name)} occurs twice; remove one")
        return Entry(
            name=self.name,
            repository=repository,
            revision=self.text("revision"),
            files=files,
            ignore=self.texts("ignore"),
            importer=self.text("importer"),
            dataset=self.part("dataset", self.name),
            licence=self.text("licence"),
            citation=self.text("citation"),
            repo_type=repo_type,
            github=github,
            pools=rules,
        )

    def _files_on_github(self, rules: Iterable[PoolRule]) -> tuple[str, ...]:
        """Return the files of all pools, which are named one by one as GitHub lists none."""
        if not is_commit(self.text("revision")):
            raise self.fault("revision", "files on GitHub are pinned: give the full commit")
        for key in ("files", "ignore", "repo_type"):
            if key in self.table.fields:
                raise self.fault(key, "not for a repository on GitHub; name each pool's files")
        files = tuple(file for rule in rules for file in rule.files)
        if any(rule.words for rule in rules) or any(set(file) & set("*?[") for file in files):
            raise self.fault("pools", 'on GitHub, give each pool files = ["…"] without patterns')
        return files

    def _rule(self, index: int, table: Mapping[str, Any]) -> PoolRule:
        defaults = {key: self.table.fields[key] for key in _OPTIONS if key in self.table.fields}
        pool = _Table(self.origins, self.name, {**defaults, **table}, index)
        pool.known_keys_only(_POOL_KEYS)
        model, benchmark = pool.part("model"), pool.part("benchmark")
        files, words = pool.texts("files"), pool.texts("words")
        if bool(files) == bool(words):
            raise pool.fault("files", "give either files or words, to select its files")
        groups = tuple(tuple(word for word in each.split("|") if word.strip()) for each in words)
        if not all(_squeezed(word) for group in groups for word in group) or not all(groups):
            raise pool.fault("words", "a word has only separators; add letters or digits")
        given = "answer_kind" in pool.table.fields
        kind = pool.one_of("answer_kind", ANSWER_KINDS) if given else None
        hashes = pool.texts("sha256")
        if hashes and (len(hashes) != len(files) or not all(map(_SHA256.fullmatch, hashes))):
            raise pool.fault("sha256", "give each of its files one, of 64 hexadecimal digits")
        return PoolRule(
            model=model,
            benchmark=benchmark,
            files=files,
            words=groups,
            field_map=pool.table.optional("map", dict[str, str]) or {},
            answer_kind=kind,
            tokenizer=pool.text("tokenizer") if "tokenizer" in pool.table.fields else None,
            drop_bad_rows=pool.table.optional("drop_bad_rows", bool) or False,
            equality=pool.one_of("equality", EQUALITY),
            unparsed=pool.one_of("unparsed", UNPARSED),
            sha256=hashes,
        )


def _squeezed(text: str) -> str:
    """Remove case and separators from a text."""
    return _SEPARATORS.sub("", text.casefold())

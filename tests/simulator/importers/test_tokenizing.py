"""Token ends come from the model's tokenizer, and no more is claimed of them than was possible."""

from __future__ import annotations

import builtins
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from click.testing import CliRunner
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library
from tokenizers import models, normalizers, pre_tokenizers

from simulator.commands.import_ import import_pool as command
from simulator.errors import UserError
from simulator.importers import tokenizing
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.importers.tokenizing import Tokenizer, load_tokenizer
from simulator.pools.pool import Pool

MERGES = [("a", "b"), ("ab", "c"), ("Ġ", "abc")]


def byte_level() -> Library:
    """Bytes are tokens, and so are `ab`, `abc`, ` abc` and the special `<end>`."""
    words = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "ab", "abc", "Ġabc"]
    library = Library(models.BPE({word: n for n, word in enumerate(words)}, MERGES))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.add_special_tokens(["<end>"])
    return library


def tokenizer(library: Library) -> Tokenizer:
    return Tokenizer("test", "0", library)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Save a model's tokenizer that truncates and pads, as some published ones do."""
    library = byte_level()
    library.enable_truncation(2)
    library.enable_padding(length=9)
    folder = tmp_path / "my-model"
    folder.mkdir()
    library.save(str(folder / "tokenizer.json"))
    return folder


def row(text: str, num_tokens: int | None = None, **more: Any) -> dict[str, Any]:
    given = {} if num_tokens is None else {"num_tokens": num_tokens}
    return {"problem_id": "p", "gold_answer": "7", "answer": "7", "text": text} | given | more


def import_rows(tmp_path: Path, rows: list[dict[str, Any]], tokenizer: Path | str) -> ImportReport:
    path = tmp_path / "traces.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return import_pool(
        "jsonl",
        ImportOptions(paths=(path,), tokenizer=str(tokenizer)),
        cache=tmp_path / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


def ends_of(report: ImportReport) -> list[list[int]]:
    return [list(ends) for ends in Pool(report.path).problems[0].token_ends]


def test_ends_by_hand() -> None:
    texts = ["", "abc", "abc abcab", "x<end>y", "日b", "é😀"]
    ends = tokenizer(byte_level()).token_ends(texts)
    # A character of several bytes is there with its last: 日 has three, é two, 😀 four.
    assert [each.tolist() for each in ends] == [
        [],
        [3],
        [3, 7, 9],
        [1, 6, 7],
        [0, 0, 1, 2],
        [0, 1, 1, 1, 1, 2],
    ]


def test_characters_that_a_tokenizer_drops_are_there_with_a_token_after_them() -> None:
    library = Library(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    library.normalizer = normalizers.NFKC()
    ends = tokenizer(library).token_ends(["a  a  ", "ﬁ a"])
    assert [each.tolist() for each in ends] == [[1, 6], [1, 3]]


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=4))
def test_ends_ascend_to_the_length_of_the_text(texts: list[str]) -> None:
    library = byte_level()
    for text, ends in zip(texts, tokenizer(library).token_ends(texts), strict=True):
        assert len(ends) == len(library.encode(text).ids)
        assert (ends[1:] >= ends[:-1]).all()
        assert ends.tolist()[-1:] == ([len(text)] if text else [])


@given(st.text(st.sampled_from("abc é日😀"), max_size=30))
def test_no_token_shows_a_character_that_is_not_whole_yet(text: str) -> None:
    library = byte_level()
    (ends,) = tokenizer(library).token_ends([text])
    size = dict.fromkeys(pre_tokenizers.ByteLevel.alphabet(), 1)
    size |= {"ab": 2, "abc": 3, "Ġabc": 4}
    done = 0
    for token, end in zip(library.encode(text).tokens, ends.tolist(), strict=True):
        done += size[token]
        assert len(text[:end].encode()) <= done < len(text[: end + 1].encode()) + (end == len(text))


def test_counts_that_agree_make_a_pool_exact(tmp_path: Path, folder: Path) -> None:
    report = import_rows(tmp_path, [row("abc abcab", 3), row("abab", 2)], folder)
    assert (report.token_accuracy, report.notes) == ("exact", [])
    assert ends_of(report) == [[3, 7, 9], [2, 4]]
    stored = json.loads((report.path / "pool.json").read_text())
    file = folder / "tokenizer.json"
    assert stored["tokenizer"] == f"my-model sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    again = import_rows(tmp_path / "my-model", [row("abc abcab", 3), row("abab", 2)], file)
    assert again.fingerprint == report.fingerprint


def test_an_end_token_takes_no_characters(tmp_path: Path, folder: Path) -> None:
    report = import_rows(tmp_path, [row("abcab", 3, finish_reason="stop")], folder)
    assert report.token_accuracy == "exact"
    assert report.notes == [
        "1 traces have one token more than their text, assumed to be the end token, which has no "
        "characters"
    ]
    assert ends_of(report) == [[3, 5, 5]]


def test_counts_that_disagree_are_kept_and_told(tmp_path: Path, folder: Path) -> None:
    rows = [row("abcabc", 2), row("abcabc", 3, finish_reason="length"), row("abcabc", 6)]
    report = import_rows(tmp_path, rows, folder)
    assert (report.token_accuracy, report.tokens) == ("total", 11)
    assert report.notes == [
        "in 2 of 3 traces the file and the tokenizer count different numbers of tokens (at most 4 "
        "apart; 6 in the file, 2 by the tokenizer: problem p, trace 2): the file's was kept, and "
        "those traces' tokens are placed in proportion"
    ]
    assert ends_of(report) == [[3, 6], [2, 4, 6], [1, 2, 3, 4, 5, 6]]


def test_lengths_that_a_file_does_not_give_are_counted(tmp_path: Path, folder: Path) -> None:
    report = import_rows(tmp_path, [row("abcab"), row("ab" * 20), row("")], folder)
    assert (report.token_accuracy, report.tokens) == ("exact", 2 + 20 + 1)
    assert report.notes == [
        "lengths were counted by the tokenizer: 23 tokens, where the estimate was 12; tokens that "
        "the texts do not show are not counted"
    ]
    assert [len(ends) for ends in ends_of(report)] == [2, 20, 1]


def test_batches_change_nothing(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row("abc" * n, n, problem_id=f"{n % 3}") for n in range(1, 20)]
    (tmp_path / "one").mkdir()
    one = import_rows(tmp_path / "one", rows, folder)
    monkeypatch.setattr(tokenizing, "BATCH_CHARACTERS", 20)
    assert import_rows(tmp_path, rows, folder).fingerprint == one.fingerprint
    assert one.token_accuracy == "exact"


def test_traces_without_text_are_named(tmp_path: Path, folder: Path) -> None:
    rows = [{"problem_id": "p", "gold_answer": "7", "answer": "7", "num_tokens": 3}]
    with pytest.raises(UserError, match="problem p, trace 0 has no text to tokenize"):
        import_rows(tmp_path, rows, folder)
    assert list((tmp_path / "cache").rglob("*")) == []


def test_the_command_takes_a_tokenizer(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_text(json.dumps(row("abcab", 2)), encoding="utf-8")
    names = ["--dataset", "d", "--model", "m", "--benchmark", "b", "--cache", str(tmp_path / "c")]
    arguments = ["jsonl", str(path), *names, "--tokenizer", str(folder), "--json"]
    result = CliRunner().invoke(command, arguments)
    assert json.loads(result.stdout)["token_accuracy"] == "exact"


def _only(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).write_text("not JSON")

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no tokenizer.json in this folder; name the folder"),
        (_only("tokenizer.model"), r"a slow tokenizer.*AutoTokenizer\.from_pretrained"),
        (_only("vocab.json"), "a slow tokenizer"),
        (_only("tokenizer.json"), r"not readable as a fast tokenizer \(.*pip install -U"),
    ],
)
def test_folders_without_a_fast_tokenizer_are_named(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        load_tokenizer(str(tmp_path))
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"--tokenizer \./no/such/folder: no such folder"):
        load_tokenizer("./no/such/folder")


def test_a_name_on_the_hub_is_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(name: str, file: str) -> str:
        assert (name, file) == ("org/model-8B", "tokenizer.json")
        return str(folder / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    found = load_tokenizer("org/model-8B")
    assert found.identity == f"org/model-8B sha256:{load_tokenizer(str(folder)).sha256}"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (GatedRepoError, r"a gated model; accept its conditions on https://.*/org/model"),
        (RepositoryNotFoundError, "no such model on the hub"),
        (LocalEntryNotFoundError, "the hub cannot be reached; go online"),
        (OfflineModeIsEnabled, "the hub cannot be reached; go online"),
        (EntryNotFoundError, "this model has no tokenizer.json, so its tokenizer is a slow one"),
        (OSError, r"cannot be downloaded \(a line and more\)"),
        (ValueError, r"cannot be downloaded \(a line and more\)"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    kind: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(name: str, file: str) -> str:
        error = kind.__new__(kind)
        error.args = ("a line\nand more",)
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(UserError, match=message) as caught:
        load_tokenizer("org/model")
    assert str(caught.value).startswith("--tokenizer org/model: ")
    assert "\n" not in str(caught.value)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "tokenizers":
            raise ImportError
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UserError, match=r"pip install '\.\[tokenizer\]' in a clone"):
        load_tokenizer("org/model")

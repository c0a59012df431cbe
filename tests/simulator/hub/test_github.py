"""`data pull` from a repository on GitHub, with the real HTTP client and a server on loopback."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import SHARED
from click.testing import CliRunner
from hub_server import COMMIT, Hub, serving

from simulator.commands.data.group import data
from simulator.errors import UserError
from simulator.hub import github
from simulator.hub.pull import pull as pull_entry
from simulator.hub.registry import find_entry
from simulator.pools.pool import Pool

SCOUT = SHARED / "data" / "scout_qwen3_8b"

REPOSITORY = "someone/traces"
PATH = "data/small 1.json"
PROBLEMS = [
    {
        "question": "3 + 4?",
        "gold_answer": "7",
        "probe_freq": 500,
        "each_branch": [[["7", "8"], 1200, "7.0"], [["8"], 900, "ERR"]],
    }
]
CONTENT = json.dumps(PROBLEMS).encode()
OTHER = CONTENT + b" "
HASH = hashlib.sha256(CONTENT).hexdigest()
POOL = "mine/M-1/small"

REGISTRY = f"""
[mine]
repository = "github:{REPOSITORY}"
revision = "{COMMIT}"
importer = "scout"
licence = "none stated"
citation = "someone 2026"

[[mine.pools]]
model = "M-1"
benchmark = "small"
files = ["{PATH}"]
sha256 = ["{HASH}"]
"""
SECOND = """
[[mine.pools]]
model = "M-1"
benchmark = "second"
files = ["data/second.json"]
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "registry.toml").write_text(REGISTRY, encoding="utf-8")
    return folder


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Hub], None]]:
    """Lets the client ask a server on loopback, and keep its downloads in `tmp_path`."""
    from huggingface_hub import close_session, constants
    from huggingface_hub.utils import _cache_assets

    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(_cache_assets, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    monkeypatch.setattr("simulator.hub.github.time.sleep", lambda seconds: None)
    yield lambda hub: monkeypatch.setenv(github.RAW_VARIABLE, hub.url + "/")
    close_session()


def kept(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "assets").rglob("*") if path.is_file())


def refusal(cache: Path) -> str:
    """Return the one line of a refused pull; check that it left no pool, whole or half."""
    with pytest.raises(UserError) as error:
        pull_entry(find_entry(cache, "mine"), cache=cache)
    assert [path.name for path in cache.iterdir()] == ["registry.toml"]
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_at_a_commit_becomes_a_pool_and_is_asked_for_once(
    tmp_path: Path, cache: Path, use: Callable[[Hub], None]
) -> None:
    with serving(Hub(REPOSITORY, {PATH: CONTENT})) as hub:
        use(hub)
        command = ["pull", "mine", "--cache", str(cache)]
        shown = CliRunner().invoke(data, command, catch_exceptions=False).stdout
        again = CliRunner().invoke(data, [*command, "--replace"], catch_exceptions=False).stdout
        assert hub.downloads() == [PATH]
        assert [path for _, path, _ in hub.requests] == [f"/{REPOSITORY}/{COMMIT}/{PATH}"]
    for text in (shown, again):
        assert f"source: https://github.com/{REPOSITORY} at {COMMIT}" in text
        assert "licence: none stated; cite: someone 2026" in text
    info = Pool(cache / POOL).info
    assert (info.source, info.revision) == (f"https://github.com/{REPOSITORY}", COMMIT)
    assert (info.licence, info.citation) == ("none stated", "someone 2026")
    assert (info.equality, info.unparsed) == ("meaning", "abstain")
    assert [path.read_bytes() for path in kept(tmp_path)] == [CONTENT]


def test_pools_counted_in_another_way_stand_beside_the_others(
    cache: Path, use: Callable[[Hub], None]
) -> None:
    exact = ["--equality", "exact", "--unparsed", "vote"]
    command = ["pull", "mine", "--cache", str(cache)]
    with serving(Hub(REPOSITORY, {PATH: CONTENT})) as hub:
        use(hub)
        CliRunner().invoke(data, command, catch_exceptions=False)
        with pytest.raises(UserError, match=r"counts answers in another way .*give --dataset"):
            CliRunner().invoke(data, [*command, *exact], catch_exceptions=False)
        more = [*command, *exact, "--dataset", "as-counted"]
        CliRunner().invoke(data, more, catch_exceptions=False)
    (ours,) = Pool(cache / POOL).problems
    (theirs,) = Pool(cache / "as-counted/M-1/small").problems
    assert ours.correct.tolist() == [True, False]
    assert ours.answer_class.tolist() == [0, -1]
    assert theirs.correct.tolist() == [False, False]  # "7.0" is not the string "7"
    assert theirs.answer_class.tolist() == [0, 3]  # after "7.0", "7" and "8"
    assert theirs.class_texts == ["7.0", "7", "8", "(no answer)"]


def test_a_broken_connection_is_taken_up_where_it_broke(
    tmp_path: Path, cache: Path, use: Callable[[Hub], None]
) -> None:
    notes: list[str] = []
    with serving(Hub(REPOSITORY, {PATH: CONTENT}, break_path=PATH, break_after=40)) as hub:
        use(hub)
        pull_entry(find_entry(cache, "mine"), cache=cache, notice=notes.append)
        assert hub.ranges() == ["bytes=40-"]
    assert any(note.startswith("the connection broke") for note in notes)
    assert [path.read_bytes() for path in kept(tmp_path)] == [CONTENT]


def test_an_unfinished_download_is_resumed_by_the_next_pull(
    tmp_path: Path, cache: Path, use: Callable[[Hub], None]
) -> None:
    entry = find_entry(cache, "mine")
    with serving(Hub(REPOSITORY, {PATH: CONTENT})) as hub:
        use(hub)
        pull_entry(entry, cache=cache)
        (file,) = kept(tmp_path)
        part = file.with_name(file.name + ".incomplete")
        for come, asked in ((CONTENT[:70], 1), (CONTENT, 1), (CONTENT + b"more", 2)):
            file.unlink()
            part.write_bytes(come)
            before = len(hub.requests)
            pull_entry(entry, cache=cache, replace=True)
            assert file.read_bytes() == CONTENT
            assert len(hub.requests) == before + asked
        assert hub.ranges() == [f"bytes={n}-" for n in (70, len(CONTENT), len(CONTENT) + 4)]


def test_a_file_kept_with_another_content_is_downloaded_again(
    tmp_path: Path, cache: Path, use: Callable[[Hub], None]
) -> None:
    with serving(Hub(REPOSITORY, {PATH: CONTENT})) as hub:
        use(hub)
        pull_entry(find_entry(cache, "mine"), cache=cache)
        (file,) = kept(tmp_path)
        file.write_bytes(OTHER)
        pull_entry(find_entry(cache, "mine"), cache=cache, replace=True)
        assert hub.downloads() == [PATH, PATH]
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"files": {PATH: OTHER}}, [hashlib.sha256(OTHER).hexdigest(), f"registry says {HASH}"]),
        ({"files": {}}, [f"{COMMIT}/data/small%201.json: no such file", "registry"]),
        ({"refuse": (429, {"Retry-After": "77"})}, ["too many requests (429)", "in 77 seconds"]),
        ({"refuse": (403, {"Retry-After": "60"})}, ["too many requests (403)", "in 60 seconds"]),
        ({"refuse": (429, {})}, ["too many requests (429)", "in a few minutes"]),
        ({"refuse": (403, {})}, ["access is refused (403)", "public"]),
        ({"refuse": (503, {})}, ["answered 503", "later"]),
        ({"refuse": (416, {})}, ["answered 416", "later"]),
    ],
    ids=[
        "wrong hash",
        "no file",
        "rate limit",
        "rate limit 403",
        "no time",
        "private",
        "fault",
        "range",
    ],
)
def test_each_refusal_is_one_line_and_leaves_no_file(
    tmp_path: Path, cache: Path, use: Callable[[Hub], None], faults: dict[str, Any], said: list[str]
) -> None:
    with serving(Hub(**{"repository": REPOSITORY, "files": {PATH: CONTENT}, **faults})) as hub:
        use(hub)
        error = refusal(cache)
        assert len(hub.requests) == 1  # asking again at once would not help
    for text in said:
        assert text in error
    assert kept(tmp_path) == []


def test_a_file_that_always_comes_short_is_given_up_and_kept_for_later(
    tmp_path: Path, cache: Path, use: Callable[[Hub], None]
) -> None:
    class Short(Hub):
        """A server that breaks off every time, after ten more bytes."""

        @property
        def break_path(self) -> str:
            return PATH

        @break_path.setter
        def break_path(self, value: str) -> None:
            pass

    with serving(Short(REPOSITORY, {PATH: CONTENT}, break_after=10)) as hub:
        use(hub)
        error = refusal(cache)
        assert hub.ranges() == ["bytes=10-", "bytes=20-"]
    assert "no answer, or a broken one" in error
    assert github.RAW_VARIABLE in error
    assert [path.read_bytes() for path in kept(tmp_path)] == [CONTENT[:30]]


def test_an_unreachable_server_is_one_line(
    cache: Path, use: Callable[[Hub], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # bound and not listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv(github.RAW_VARIABLE, url)
        assert refusal(cache).startswith(f"{url}/{REPOSITORY}/{COMMIT}/data/small%201.json: no ")


def test_an_empty_address_is_none(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv(github.RAW_VARIABLE, "")
    assert github.raw_url(find_entry(cache, "mine"), COMMIT, PATH).startswith(github.RAW + "/")


def test_a_server_that_redirects_without_end_is_one_line(
    tmp_path: Path, cache: Path, use: Callable[[Hub], None]
) -> None:
    here = f"/{REPOSITORY}/{COMMIT}/data/small%201.json"
    with serving(Hub(REPOSITORY, {PATH: CONTENT}, refuse=(302, {"Location": here}))) as hub:
        use(hub)
        error = refusal(cache)
    assert "no answer, or a broken one" in error
    assert kept(tmp_path) == []


def test_offline_uses_what_is_here(
    tmp_path: Path, cache: Path, use: Callable[[Hub], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    entry = find_entry(cache, "mine")
    with serving(Hub(REPOSITORY, {PATH: CONTENT})) as hub:
        use(hub)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert "HF_HUB_OFFLINE forbids the network" in refusal(cache)
        assert hub.requests == []
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        pull_entry(entry, cache=cache)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        report = pull_entry(entry, cache=cache, replace=True)
    assert [made.name for made in report.made] == [POOL]


def test_files_go_once_imported_unless_they_are_to_be_kept(
    tmp_path: Path, cache: Path, use: Callable[[Hub], None]
) -> None:
    with serving(Hub(REPOSITORY, {PATH: CONTENT})) as hub:
        use(hub)
        pull_entry(find_entry(cache, "mine"), cache=cache, keep_files=False)
    assert kept(tmp_path) == []
    assert sorted(path.name for path in cache.iterdir()) == ["mine", "registry.toml"]


def test_pools_before_a_missing_file_stay_and_one_can_be_asked_for_alone(
    cache: Path, use: Callable[[Hub], None]
) -> None:
    with (cache / "registry.toml").open("a", encoding="utf-8") as file:
        file.write(SECOND)
    entry = find_entry(cache, "mine")
    with serving(Hub(REPOSITORY, {PATH: CONTENT})) as hub:
        use(hub)
        with pytest.raises(UserError, match=r"data/second.json: no such file"):
            pull_entry(entry, cache=cache)
        assert (cache / POOL / "pool.json").is_file()
        report = pull_entry(entry.only(["*/SMALL"]), cache=cache)
    assert (report.made, report.here) == ([], [POOL])
    with pytest.raises(UserError, match=r"--only x: mine has M-1/small, M-1/second"):
        entry.only(["x"])


def test_another_commit_is_not_compared_with_the_hashes_of_the_first(
    cache: Path, use: Callable[[Hub], None]
) -> None:
    entry, commit = find_entry(cache, "mine"), "f" * 40
    with serving(Hub(REPOSITORY, {PATH: OTHER})) as hub:
        use(hub)
        report = pull_entry(entry, cache=cache, revision=commit)
        with pytest.raises(UserError, match=r"--revision main: .*read at full commits only"):
            pull_entry(entry, cache=cache, revision="main")
    assert report.commit == commit
    assert Pool(cache / POOL).info.revision == commit


@pytest.mark.skipif(not SCOUT.is_dir(), reason="no recorded SCOUT traces in ../shared/data")
def test_the_traces_behind_the_published_table_come_with_one_command(
    tmp_path: Path, use: Callable[[Hub], None]
) -> None:
    path = "evaluation/Qwen3-8B-128/aime24.json"
    files = {path: (SCOUT / "aime24.json").read_bytes()}
    command = ["pull", "scout", "--only", "*/aime24", "--equality", "exact", "--unparsed", "vote"]
    with serving(Hub("zhengkid/Parallel-Probe", files)) as hub:
        use(hub)
        CliRunner().invoke(data, [*command, "--cache", str(tmp_path)], catch_exceptions=False)
    pool = Pool(tmp_path / "scout/Qwen3-8B/aime24")
    assert (pool.info.problems, pool.info.traces, pool.info.tokens) == (30, 3840, 54_638_727)
    assert (pool.info.equality, pool.info.unparsed) == ("exact", "vote")
    assert pool.info.licence == "none stated"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (COMMIT, "main", "[mine] revision: files on GitHub are pinned: give the full commit"),
        ("importer =", 'ignore = ["*"]\nimporter =', "[mine] ignore: not for a repository on"),
        (f'files = ["{PATH}"]', 'files = ["*.json"]', "give each pool files"),
        (f'files = ["{PATH}"]\n', 'words = ["small"]\n', "sha256: give each of its files one"),
        (HASH, HASH[:-1], "[[mine.pools]] 1 sha256: give each of its files one, of 64"),
        (f"github:{REPOSITORY}", "github:traces", "'github:traces' is not of the form owner/name"),
        ("sha256 =", 'equality = "same"\nsha256 =', "equality: 'same'; use one of meaning, exact"),
    ],
)
def test_a_faulty_entry_is_one_line(cache: Path, old: str, new: str, said: str) -> None:
    (cache / "registry.toml").write_text(REGISTRY.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError) as error:
        find_entry(cache, "mine")
    assert said in str(error.value)
    assert str(error.value).startswith(str(cache / "registry.toml"))

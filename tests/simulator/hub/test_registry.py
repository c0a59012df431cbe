"""The registry of known public pools: what comes with the program, own entries, and faults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkout import ROOT, SHARED
from click.testing import CliRunner

from simulator.commands.data.group import data
from simulator.errors import UserError
from simulator.hub.registry import SHIPPED, find_entry, read_registry
from simulator.importers import FORMATS
from simulator.storage import file_sha256

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MINE = """
[mine]
repository = "me/traces"
revision = "main"
files = ["*.jsonl"]
importer = "jsonl"
licence = "MIT"
citation = "me"

[[mine.pools]]
model = "M-1"
benchmark = "aime24"
words = ["m-1|model_1", "aime24"]
map = {answer = "final"}
answer_kind = "math"
"""


def write(cache: Path, text: str) -> Path:
    file = cache / "registry.toml"
    file.write_text(text, encoding="utf-8")
    return file


def fault(cache: Path, text: str) -> str:
    file = write(cache, text)
    with pytest.raises(UserError) as error:
        read_registry(cache)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: ")
    return message.removeprefix(f"{file}: ")


def test_the_program_knows_the_public_sources(tmp_path: Path) -> None:
    registry = read_registry(tmp_path / "none")
    hub, deepprune = registry["scout-hub"], registry["deepprune"]
    repository = "EfficientReasoning/Qwen3-1.7B-AIME24-br128-bg5120k-fr500"
    assert hub.url == f"https://huggingface.co/datasets/{repository}"
    assert [hub.pool_name(rule) for rule in hub.pools] == ["scout/Qwen3-1.7B/aime24"]
    models = {rule.model for rule in deepprune.pools}
    assert models == {"DeepSeek-R1-0528-Qwen3-8B", "Qwen3-32B", "gpt-oss-20b"}
    benchmarks = {rule.benchmark for rule in deepprune.pools}
    assert benchmarks == {"aime24", "aime25", "gpqa-diamond"}
    assert len(deepprune.pools) == 9


BENCHMARKS = ["aime24", "aime25", "hmmt25"]


def test_files_of_scout_and_autotts_are_pinned_with_their_hashes(tmp_path: Path) -> None:
    registry = read_registry(tmp_path / "none")
    scout, autotts = registry["scout"], registry["autotts"]
    assert scout.url == scout.source == "https://github.com/zhengkid/Parallel-Probe"
    assert autotts.url == autotts.source == "https://github.com/zhengkid/AutoTTS"
    models = {"scout": ["Qwen3-8B"], "autotts": ["Qwen3-0.6B", "Qwen3-1.7B", "Qwen3-4B"]}
    for entry in (scout, autotts):
        assert entry.pinned
        assert [entry.pool_name(rule) for rule in entry.pools] == [
            f"{entry.name}/{model}/{benchmark}"
            for model in models[entry.name]
            for benchmark in BENCHMARKS
        ]
        for rule in entry.pools:
            assert bool(rule.sha256) == (rule.benchmark != "hmmt25")
            assert [file.rpartition("/")[2] for file in rule.files] == [f"{rule.benchmark}.json"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="no recorded traces in ../shared/data")
def test_the_hashes_are_those_of_the_recorded_traces(tmp_path: Path) -> None:
    registry = read_registry(tmp_path / "none")
    for rule in registry["scout"].pools[:2]:
        file = SHARED / "data" / "scout_qwen3_8b" / f"{rule.benchmark}.json"
        assert rule.sha256 == (file_sha256(file),)
    for rule in registry["autotts"].pools:
        if rule.benchmark != "hmmt25":
            file = SHARED / "data" / "autotts" / f"{rule.model}-{rule.benchmark}.json"
            assert rule.sha256 == (file_sha256(file),)


def test_every_known_source_has_an_importer_a_licence_and_a_citation(tmp_path: Path) -> None:
    for entry in read_registry(tmp_path).values():
        assert entry.importer in FORMATS
        assert entry.licence
        assert entry.citation


def test_the_registry_that_comes_with_the_program_is_the_readable_one() -> None:
    readable = ROOT / "datasets_cache/registry.toml"
    assert not SHIPPED.is_symlink()  # a checkout on Windows has none
    assert SHIPPED.read_bytes() == readable.read_bytes(), f"copy {readable} to {SHIPPED}"
    assert readable.name in (readable.parent / "README.md").read_text(encoding="utf-8")


def test_the_checkouts_own_folder_of_pools_reads_one_registry() -> None:
    checkout = ROOT / "datasets_cache"
    assert read_registry(checkout) == read_registry(checkout / "none")


def test_own_entries_stand_beside_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, MINE)
    assert list(read_registry(tmp_path)) == ["autotts", "deepprune", "mine", "scout", "scout-hub"]
    entry = find_entry(tmp_path, "mine")
    (rule,) = entry.pools
    assert entry.pool_name(rule) == "mine/M-1/aime24"
    assert rule.field_map == {"answer": "final"}
    assert rule.matches("Model 1/AIME-24.jsonl")
    assert not rule.matches("m-1/aime2024.jsonl")
    assert entry.wants("A/B.JSONL")
    assert not entry.wants("a.json")


def test_an_own_entry_overrides_only_the_keys_that_it_gives(tmp_path: Path) -> None:
    known = find_entry(tmp_path, "scout-hub")
    write(tmp_path, f'[scout-hub]\nrevision = "{COMMIT}"\n')
    pinned = find_entry(tmp_path, "scout-hub")
    assert not known.pinned
    assert pinned.pinned
    assert (pinned.repository, pinned.pools) == (known.repository, known.pools)


def test_options_of_an_entry_hold_for_its_pools_unless_they_have_their_own(
    tmp_path: Path,
) -> None:
    write(tmp_path, '[deepprune]\nanswer_kind = "text"\nmap = {answer = "final"}\n')
    rules = {rule.benchmark: rule for rule in find_entry(tmp_path, "deepprune").pools}
    assert rules["aime24"].answer_kind == "text"
    assert rules["gpqa-diamond"].answer_kind == "choice"
    assert {rule.field_map["answer"] for rule in rules.values()} == {"final"}


def test_ignored_files_are_not_wanted(tmp_path: Path) -> None:
    write(tmp_path, '[deepprune]\nignore = ["train/*"]\n')
    entry = find_entry(tmp_path, "deepprune")
    assert not entry.wants("Train/pairs.json")
    assert entry.wants("test/pairs.json")


def test_data_list_shows_known_pools_that_are_not_here_yet(tmp_path: Path) -> None:
    command = ["list", "--known", "--cache", str(tmp_path)]
    text = CliRunner().invoke(data, command, catch_exceptions=False).stdout
    assert "\ndeepprune\n  pools here  0 of 9\n  repository  THU-KEG/DeepPrune\n" in text
    assert str(tmp_path / "registry.toml") in text
    listed = json.loads(CliRunner().invoke(data, [*command, "--json"]).stdout)["known"]
    assert [entry["name"] for entry in listed] == ["autotts", "deepprune", "scout", "scout-hub"]
    assert listed[2]["pools"] == [f"scout/Qwen3-8B/{name}" for name in BENCHMARKS]
    assert listed[2]["repository"] == "github:zhengkid/Parallel-Probe"
    assert (listed[2]["licence"], listed[2]["here"]) == ("none stated", [])
    assert "  licence     none stated\n  cite        Parallel-Probe: " in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("scuot", "no known public pool 'scuot'; did you mean scout?"),
        ("DeepPrune", "did you mean deepprune?"),
        ("prune", "did you mean deepprune?"),
        ("zzz", "no known public pool 'zzz'; deepprune-sim data list --known shows all"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        find_entry(tmp_path, name)
    assert said in str(error.value)
    assert str(tmp_path / "registry.toml") in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mine\n", "not readable as TOML (Expected ']'"),
        ("mine = 1\n", "mine is outside of an entry; put it under a heading like [mine]"),
        ("[mine]\n", '[mine] repository: missing; add repository = "…"'),
        (MINE.replace("licence", "license"), "[mine] license: no such key; did you mean licence?"),
        (
            MINE.replace("me/traces", "traces"),
            "[mine] repository: 'traces' is not of the form owner/name",
        ),
        (MINE.replace('"main"', "7"), '[mine] revision: not a text; give it as revision = "…"'),
        (MINE.replace('["*.jsonl"]', '"*"'), "[mine] files: not a list of texts"),
        (MINE.replace('["*.jsonl"]', "[]"), "[mine] files: no pattern; give at least one"),
        (MINE.replace('"M-1"', '"M 1"'), "[[mine.pools]] 1 model: 'M 1' cannot be part of"),
        (MINE.replace("benchmark", "benchmrak"), "benchmrak: no such key; did you mean benchmark?"),
        (MINE.replace("words", "files = []  #"), "[[mine.pools]] 1 files: give either files or"),
        (MINE.replace("|model_1", "|--"), "[[mine.pools]] 1 words: a word has only separators"),
        (MINE.replace('"final"}', "1}"), "[[mine.pools]] 1 map: not a table of texts"),
        (MINE.replace('"math"', '"maths"'), "answer_kind: 'maths'; use one of math, choice, text"),
        (MINE.replace("[[mine.pools]]", "[mine.pools]"), "[mine] pools: no pool; add at least one"),
        (MINE + MINE.partition("\n\n")[2], "[mine] pools: M-1/aime24 occurs twice"),
        ('[mine]\nrepo_type = "space"\n' + MINE[8:], "[mine] repo_type: 'space'; use one of"),
        ("[mine]\ndrop_bad_rows = 1\n" + MINE[8:], "drop_bad_rows: must be true or false"),
        ('[scout]\nrevison = "main"\n', "[scout] revison: no such key; did you mean revision?"),
    ],
)
def test_a_faulty_entry_is_one_line_with_file_entry_key_and_remedy(
    tmp_path: Path, text: str, said: str
) -> None:
    assert said in fault(tmp_path, text)


def test_a_registry_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "registry.toml").write_bytes('[mine]\nlicence = "©"\n'.encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_registry(tmp_path)

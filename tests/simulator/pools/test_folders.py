"""The folder of pools, and finding pools by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from simulator.errors import UserError
from simulator.pools.folders import (
    cache_folder,
    find_pools,
    nearest_pools,
    pool_name,
    runs_folder,
)

NAMES = ["scout/qwen3-8b/aime24", "scout/qwen3-8b/aime25", "deepconf/gpt-oss-20b/aime24"]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for name in NAMES:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "pool.json").write_text("{}")
    unfinished = tmp_path / "scout/qwen3-8b/.gpqa.1234.tmp"
    unfinished.mkdir()
    (unfinished / "pool.json").write_text("{}")
    return tmp_path


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DEEPPRUNE_SIM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(cache: Path, *patterns: str) -> list[str]:
    return [pool_name(folder) for folder in find_pools(cache, patterns)]


def test_the_option_wins_over_all_else(
    empty_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", "/elsewhere")
    (empty_directory / "datasets_cache").mkdir()
    assert cache_folder(Path("here")) == Path("here")


def test_the_variable_wins_over_the_working_directory(
    empty_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_directory / "datasets_cache").mkdir()
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", "/elsewhere")
    assert cache_folder(None) == Path("/elsewhere")


def test_an_empty_variable_counts_as_unset(
    empty_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_directory / "datasets_cache").mkdir()
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", "")
    assert cache_folder(None) == Path("datasets_cache")


def test_without_a_local_folder_the_users_cache_is_used(empty_directory: Path) -> None:
    folder = cache_folder(None)
    assert folder.name == "deepprune-sim"
    assert folder.is_absolute()


def test_runs_are_in_the_working_directory() -> None:
    assert runs_folder() == Path("runs")


def test_a_full_name_finds_one_pool(cache: Path) -> None:
    assert found(cache, "scout/qwen3-8b/aime24") == ["scout/qwen3-8b/aime24"]


def test_globs_match_the_full_name_across_slashes(cache: Path) -> None:
    assert found(cache, "*aime24*") == ["deepconf/gpt-oss-20b/aime24", "scout/qwen3-8b/aime24"]
    assert found(cache, "scout/*") == ["scout/qwen3-8b/aime24", "scout/qwen3-8b/aime25"]


def test_a_full_name_is_found_even_where_it_would_be_another_glob(tmp_path: Path) -> None:
    folder = tmp_path / "a/[b]/c"
    folder.mkdir(parents=True)
    (folder / "pool.json").write_text("{}")
    assert found(tmp_path, "a/[b]/c") == ["a/[b]/c"]


def test_pools_matched_twice_are_returned_once_and_sorted(cache: Path) -> None:
    assert found(cache, "scout/*", "*aime24") == sorted(NAMES)


def test_no_patterns_mean_every_pool_but_no_unfinished_one(cache: Path) -> None:
    assert found(cache) == sorted(NAMES)


def test_patterns_are_case_sensitive_and_the_error_names_the_nearest(cache: Path) -> None:
    with pytest.raises(UserError) as error:
        find_pools(cache, ["*AIME25*"])
    assert "did you mean scout/qwen3-8b/aime25?" in str(error.value)
    assert "deepprune-sim data list" in str(error.value)


def test_one_pattern_that_matches_nothing_is_an_error_even_beside_one_that_does(
    cache: Path,
) -> None:
    with pytest.raises(UserError, match=r"scout/qwen3-8b/aime2x"):
        find_pools(cache, ["scout/*", "scout/qwen3-8b/aime2x"])


def test_an_empty_cache_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no pools"):
        find_pools(tmp_path / "missing", ["generated/*"])
    assert find_pools(tmp_path / "missing", []) == []


def test_nearest_pools_prefers_contained_text_and_leaves_out_the_unlike() -> None:
    assert nearest_pools("aime25", NAMES)[0] == "scout/qwen3-8b/aime25"
    assert nearest_pools("qwen3-9b", NAMES) == NAMES[:2]
    assert nearest_pools("zzzz", NAMES) == []
    assert nearest_pools("*", NAMES) == []


def test_importing_the_module_adds_nothing_heavy_to_the_package_itself() -> None:
    code = (
        "import sys, simulator; before = set(sys.modules); import simulator.pools.folders; "
        "added = set(sys.modules) - before; "
        "print([m for m in ('numpy', 'pyarrow', 'duckdb', 'pandas') if m in added])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_cache_that_is_a_link_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for folder in (tmp_path / "loop", tmp_path / "loop" / "below"):
        with pytest.raises(UserError, match="a link that leads to itself; name a folder"):
            cache_folder(folder)

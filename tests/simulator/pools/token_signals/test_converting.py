"""Conversion of stored pools: whole or not at all, and with the same fingerprint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pools import T, write_pool

from simulator.errors import UserError
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool, read_info
from simulator.pools.shipped import shipped_pools
from simulator.pools.token_signals import converting
from simulator.pools.token_signals.converting import convert
from simulator.signals import TOKEN_SIGNALS
from simulator.storage import file_sha256, locked


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.parent.rglob("*") if file.is_file()}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Return a pool of format 1."""
    traces = [T(2, "1", {1: "1"}, text="ab", confidence=[1.5, 2.5], signals={"entropy": [0, 70]})]
    folder = write_pool(tmp_path, {"a": traces, "b": traces * 3}).path
    assert convert(folder, 1) is None
    return folder


def test_the_pool_that_comes_along_is_of_format_1_and_reads_the_same_in_format_2(
    tmp_path: Path,
) -> None:
    (shipped,) = shipped_pools().values()
    folder = shutil.copytree(shipped, tmp_path / "d" / "m" / "b")
    steps: list[tuple[int, int]] = []
    assert convert(folder, progress=lambda done, total: steps.append((done, total))) is None
    old, new = Pool(shipped), Pool(folder)
    assert (old.info.format, new.info.format) == (1, 2)
    assert new.info.fingerprint == old.info.fingerprint
    assert check_pool(folder) == []
    assert steps == sorted(steps)
    assert steps[-1] == (2 * 2 * 48, 2 * 2 * 48)
    for one, two in zip(old.problems[::8], new.problems[::8], strict=True):
        for name in TOKEN_SIGNALS:
            pairs = zip(one.token_signal(name), two.token_signal(name), strict=True)
            assert all(a.tobytes() == b.tobytes() for a, b in pairs)
    for name in ("text.parquet", "probes.parquet", "traces.parquet"):
        assert (folder / name).read_bytes() == (shipped / name).read_bytes()
    assert convert(folder) == "it is of format 2 already"


def test_only_the_format_and_the_hashes_of_the_files_change_in_the_description(
    pool: Path,
) -> None:
    before = json.loads((pool / "pool.json").read_text())
    assert convert(pool) is None
    after = json.loads((pool / "pool.json").read_text())
    assert (before.pop("format"), after.pop("format")) == (1, 2)
    hashes, new = before.pop("sha256"), after.pop("sha256")
    assert before == after
    changed = {name for name in hashes if hashes[name] != new[name]}
    assert changed == {"confidence.parquet", "entropy.parquet"}
    assert all(file_sha256(pool / name) == new[name] for name in new)


def test_a_pool_without_token_signals_is_of_format_1(tmp_path: Path) -> None:
    folder = write_pool(tmp_path, {"a": [T(2, "1", {1: "1"}, text="ab")]}).path
    assert read_info(folder).format == 1
    before = content(folder)
    assert convert(folder) == "it has no token signals, and all else is the same in both formats"
    assert content(folder) == before


def test_a_pool_whose_fingerprint_is_that_of_its_files_is_left(pool: Path) -> None:
    fields = json.loads((pool / "pool.json").read_text())
    del fields["content"]
    (pool / "pool.json").write_text(json.dumps(fields))
    before = content(pool)
    assert convert(pool) == "its fingerprint is that of its files; import it again"
    assert content(pool) == before


def test_a_file_that_the_description_does_not_fit_is_named_and_nothing_changes(pool: Path) -> None:
    fields = json.loads((pool / "pool.json").read_text())
    fields["content"]["entropy"] = "0" * 64
    (pool / "pool.json").write_text(json.dumps(fields))
    before = content(pool)
    with pytest.raises(UserError, match=r"entropy\.parquet: its content is not the one"):
        convert(pool)
    assert content(pool) == before
    assert [path.name for path in pool.parent.iterdir()] == [pool.name]


def test_a_conversion_that_breaks_off_changes_nothing_and_the_next_one_completes_it(
    pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(pool)
    with monkeypatch.context() as patch:

        def broken(*_: object) -> str:
            raise KeyboardInterrupt

        patch.setattr(converting, "described", broken)
        with pytest.raises(KeyboardInterrupt):
            convert(pool)
    assert content(pool) == before
    assert [path.name for path in pool.parent.iterdir()] == [pool.name]
    (pool.parent / f".{pool.name}.0123abcd.tmp").mkdir()  # left by a process that was killed
    assert convert(pool) is None
    assert [path.name for path in pool.parent.iterdir()] == [pool.name]


def test_a_pool_that_is_being_written_or_a_link_is_refused(pool: Path) -> None:
    with (
        locked(pool, lambda holder: UserError(holder)),
        pytest.raises(UserError, match="another process writes this pool"),
    ):
        convert(pool)
    link = pool.with_name("link")
    link.symlink_to(pool)
    with pytest.raises(UserError, match="a link to a pool"):
        convert(link)

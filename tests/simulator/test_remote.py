"""Pools that are read from where they are: a web server, an object store."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest
from pools import T, write_pool
from programs import results, run
from range_server import Served, serving

from simulator.api.plan import plan_runs
from simulator.errors import UserError
from simulator.pools.folders import find_pools
from simulator.pools.pool import Pool
from simulator.remote import RemoteFile, RemotePath, parquet_source
from simulator.runs.making import make_run

NAME = "test/model/tiny"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Serve a pool of three problems, whose texts are much larger than all else."""
    rng = random.Random(1)
    write_pool(
        tmp_path / "bucket",
        {
            f"{number}": [
                T(20, "1", text=rng.randbytes(20_000).hex(), confidence=[0.5] * 20)
                for _ in range(4)
            ]
            for number in range(3)
        },
    )
    with serving(tmp_path) as files:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{files.address}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "nobody")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield files


def url(served: Served, protocol: str) -> str:
    return f"{protocol}://{'' if protocol == 's3' else served.address + '/'}bucket/{NAME}"


@pytest.mark.parametrize("protocol", ["http", "s3"])
def test_a_run_on_a_pool_elsewhere_has_the_bytes_of_one_on_a_copy(
    served: Served, tmp_path: Path, protocol: str
) -> None:
    for name, pool in (("here", NAME), ("there", url(served, protocol))):
        settings = {"window": ["4"], "warm_up": ["2"]}
        plan = plan_runs("deepconf-low", settings, [pool], repeats=3, cache=tmp_path / "bucket")
        make_run(plan.specs[0], tmp_path / name)
    assert results(tmp_path / "there") == results(tmp_path / "here")
    assert {path.rpartition("/")[2] for path, _ in served.sent} == {
        *("pool.json", "problems.parquet", "traces.parquet", "classes.parquet"),
        "confidence.parquet",
    }


def test_a_pool_on_the_hub_is_read_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = write_pool(tmp_path / "cache", {"p": [T(5, "1"), T(7, "2")], "q": [T(9, "1")] * 2})
    files = {f"pools/{NAME}/{file.name}": file.read_bytes() for file in pool.path.iterdir()}
    with hub_server.serving(hub_server.Hub("some/traces", files)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        words = ("run", "cons@2", "--repeats", "3", "-o")
        there = f"hf://datasets/some/traces/pools/{NAME}"
        assert run(tmp_path / "none", *words, "there", "-d", there) == (0, "")
    assert run(tmp_path / "cache", *words, "here") == (0, "")
    assert results(tmp_path / "there") == results(tmp_path / "here")


def test_a_problem_is_read_without_those_beside_it(served: Served) -> None:
    (path,) = find_pools(Path("none"), [url(served, "http")], remote=True)
    pool = Pool(path)
    assert pool.problems[1].texts == Pool(served.folder / "bucket" / NAME).problems[1].texts
    footer, *texts = [sent for path, sent in served.sent if path.endswith("/text.parquet")]
    whole = (served.folder / "bucket" / NAME / "text.parquet").stat().st_size
    assert footer <= 64 * 1024  # read as a guess by Arrow
    assert len(texts) == 1  # one request for a column of a problem
    assert whole / 4 < texts[0] < whole / 2


def test_what_is_missing_or_altered_is_told(served: Served, tmp_path: Path) -> None:
    there = url(served, "http")
    with pytest.raises(UserError, match=r"/other: no pool here \(pool.json is missing\)"):
        Pool(find_pools(tmp_path, [f"{there}/other"], remote=True)[0])
    (path,) = find_pools(tmp_path, [there], remote=True)
    (served.folder / "bucket" / NAME / "traces.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"http://.*/traces.parquet: cannot be read"):
        _ = Pool(path).problems
    (served.folder / "bucket" / NAME / "text.parquet").unlink()
    with pytest.raises(UserError, match=r"http://.*/text.parquet: cannot be read"):
        Pool(path).require(frozenset({"text"}), "a policy")


def test_a_server_without_ranges_is_told(served: Served) -> None:
    served.sends_ranges = False
    file = RemotePath(url(served, "http")) / "text.parquet"
    with pytest.raises(OSError, match="its server sends no ranges"):
        file.read_bytes(4, 8)


def test_a_remote_file_is_read_as_a_plain_one(served: Served) -> None:
    plain = (served.folder / "bucket" / NAME / "pool.json").read_bytes()
    file = parquet_source(RemotePath(url(served, "http")) / "pool.json")  # type: ignore[arg-type]
    assert isinstance(file, RemoteFile)
    assert (file.read(5), file.tell()) == (plain[:5], 5)
    assert file.seek(-7, 2) == len(plain) - 7
    assert (file.read(100), file.read(1)) == (plain[-7:], b"")
    assert (file.seek(3), file.seek(2, 1)) == (3, 5)
    assert file.read() == plain[5:]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nonsense://bucket/a/b/c", "nonsense://bucket/a/b/c/pool.json: fsspec knows no nonsense"),
        ("gs://bucket/a/b/c", "needs gcsfs; pip install gcsfs"),
        ("http://127.0.0.1:1/a/b/c", "http://127.0.0.1:1/a/b/c/pool.json: cannot be read"),
    ],
)
def test_an_address_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, message: str
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)  # as if it were not installed
    (path,) = find_pools(tmp_path, [pattern], remote=True)
    with pytest.raises(UserError) as raised:
        Pool(path)
    assert message in str(raised.value)


def test_a_url_is_refused_where_pools_of_this_machine_are_meant(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only run and judge score read pools elsewhere"):
        find_pools(tmp_path, ["s3://bucket/a/b/c"])


def test_a_glob_finds_pools_of_a_store(tmp_path: Path) -> None:
    write_pool(tmp_path, {"p": [T(5, "1")]})
    write_pool(tmp_path, {"p": [T(5, "1")]}, benchmark="other")
    found = find_pools(tmp_path / "none", [f"file://{tmp_path}/test/*/*"], remote=True)
    assert [Pool(path).name for path in found] == ["test/model/other", NAME]
    with pytest.raises(UserError, match=r"nothing with a pool.json matches"):
        find_pools(tmp_path, [f"file://{tmp_path}/nothing/*"], remote=True)
    with pytest.raises(UserError, match=f"{NAME} is asked for here, too"):
        find_pools(tmp_path, [NAME, f"file://{tmp_path}/test/*/tiny"], remote=True)
    write_pool(tmp_path / "elsewhere", {"p": [T(7, "1")]})
    with pytest.raises(UserError, match="have the same name; name one"):
        find_pools(
            tmp_path,
            [f"file://{each}/{NAME}" for each in (tmp_path, tmp_path / "elsewhere")],
            remote=True,
        )
    twice = [f"file://{tmp_path}/{NAME}", f"file://{tmp_path}/*/*/tiny"]
    assert len(find_pools(tmp_path, twice, remote=True)) == 1

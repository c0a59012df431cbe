"""A small board to export, and the exported folder served on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from shown_folders import DATE, HOSTILE, folders_in, write_local_run, write_recorded
from verified_folders import add_verified

from leaderboard_app.library.folders import Folders
from simulator.submissions.packing import pack, write_folder

OPEN, CLOSED = "recorded/model-a/bench-1", "recorded/model-a/bench-2"
"""Pools with and without a licence under which their questions may be published."""

SECRET = "secret-run"
"""A local run, which no export shows."""


def write_board(root: Path) -> Folders:
    """Write a board of six submissions on two pools of four problems, and a local run.

    Entries `cons` and `asc` are verified, `short` and `hostile` are not, `esc` is withdrawn, and
    `asc-2` takes the place of `asc-1`.
    """
    folders = folders_in(root)
    pools = [
        write_recorded(folders.cache, "model-a", "bench-1", problems=4),
        write_recorded(folders.cache, "model-a", "bench-2", problems=4, licence=None),
    ]
    for name, policy, settings in (
        ("cons", "cons@8", None),
        ("short", "short-3@8", None),
        ("esc", "esc", None),
        ("asc-1", "asc", {"threshold": "0.9"}),
        ("asc-2", "asc", {"threshold": "0.7"}),
    ):
        run = write_local_run(folders, name, policy, pools, settings)
        add_submission(folders, run, name)
    write_local_run(folders, SECRET, "sac", pools)
    change(folders, "esc", 'withdrawn = "A mistake in the prompt."\n')
    change(folders, "asc-2", f'supersedes = "{named("asc-1")}"\n')
    for checked in ("cons", "asc-1", "asc-2"):
        submission = folders.submissions / named(checked)
        add_verified(submission, run=folders.runs / checked)
    return folders


def add_submission(folders: Folders, run: Path, name: str, **fields: Any) -> Path:
    """Pack a run as a submission of the board; `fields` replace those of its metadata."""
    given = {
        "method": name,
        "authors": ["Ada Lovelace", "Emmy Noether"],
        "organisation": "Test Institute",
        "date": DATE,
        "paper": "https://arxiv.org/abs/2510.08483",
        "code": "https://github.com/example/code",
        "description": f"{name}, in words.",
    }
    folder = write_folder(pack(run, {**given, **fields}), folders.submissions)
    return folder.rename(folders.submissions / (name if " " in name else named(name)))


def named(name: str) -> str:
    """Return the id of a submission of the board."""
    return f"2026-11-20-{name}"


def change(folders: Folders, name: str, line: str) -> None:
    """Add a line to a submission's metadata."""
    with (folders.submissions / named(name) / "submission.toml").open(
        "a", encoding="utf-8"
    ) as file:
        file.write(line)


def add_hostile(folders: Folders) -> None:
    """Add a submission whose every text is hostile, in a folder with an odd name."""
    quoted = HOSTILE.replace('"', '\\"')
    folder = add_submission(folders, folders.runs / "short", 'odd "name" & more#?')
    (folder / "submission.toml").write_text(
        f'format = 1\nmethod = "{quoted}"\nauthors = ["{quoted}"]\ndate = 2026-11-21\n'
        f'description = "</script>{quoted}"\npaper = "javascript:alert(1)"\n',
        encoding="utf-8",
    )


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

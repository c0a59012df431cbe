"""Uploading the board's dataset to the Hugging Face Hub, in one commit."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from leaderboard_app.interchange.hub_dataset import FRAMEWORK, TASKS
from simulator.api.progress import note
from simulator.boards.address import REMEDIES, BoardAddress
from simulator.errors import UserError
from simulator.hub.errors import errors_told, is_offline, without_token

TABLES = re.compile(r"data/[a-z]+\.parquet")
"""Files of an earlier upload, which are removed where this one has none of that name."""

WRITING = replace(
    REMEDIES,
    name="check its name, and make it first with `hf repos create OWNER/NAME --type dataset`",
    right="write to it",
)


def check_push(repository: str) -> None:
    """Raise `UserError` if nothing can be uploaded to a repository of this name."""
    from huggingface_hub import get_token

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*", repository):
        raise UserError(f"--push {repository}: not OWNER/NAME of a dataset repository")
    if is_offline():
        raise UserError("--push: HF_HUB_OFFLINE forbids the network; unset it")
    if not get_token():
        raise UserError("--push: no token; log in with `hf auth login`, or set HF_TOKEN")


def push(files: Mapping[str, bytes], repository: str) -> str:
    """Upload files to a dataset that exists; return the address of the commit.

    Other files of the dataset stay. The Hub takes an `eval.yaml` only of frameworks on its list;
    without that, the other files are uploaded, and a note says so.

    Raises
    ------
    UserError
        There is no such dataset, the Hub refuses, or it cannot be reached.
    """
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    # It logs each retry with a presigned URL, with which anyone could write to the storage.
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
    with errors_told(BoardAddress(repository).entry(), "main", remedies=WRITING):
        try:
            return _commit(files, repository)
        except HfHubHTTPError as error:
            said = " ".join((error.server_message or "").split())
            if TASKS not in files or error.response.status_code not in (400, 422):
                raise
            if TASKS not in said and FRAMEWORK not in said:
                raise
            note(
                f"without {TASKS}, which the Hub refuses ({without_token(said)[:200]}); it has to "
                f"list the framework {FRAMEWORK} first"
            )
            rest = {name: data for name, data in files.items() if name != TASKS}
            return _commit(rest, repository)


def _commit(files: Mapping[str, bytes], repository: str) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi()
    there = api.list_repo_files(repository, repo_type="dataset")
    gone = [name for name in there if TABLES.fullmatch(name) and name not in files]
    done: Any = api.create_commit(
        repository,
        [
            *(CommitOperationAdd(name, data) for name, data in sorted(files.items())),
            *(CommitOperationDelete(name) for name in sorted(gone)),
        ],
        repo_type="dataset",
        commit_message="Update the tables of the board",
    )
    return "".join(filter(str.isprintable, str(done.commit_url)))

"""Publishing a trained judge as a model repository on the Hugging Face Hub."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judges.kinds.models import TRAINING, model_files
from judges.training.card import model_card
from judges.training.folders import FIGURES, RECORD, SUMMARY
from simulator.errors import UserError, one_line
from simulator.hub.errors import causes, endpoint, is_offline, is_transport, without_token

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")

TOLD = (RECORD, SUMMARY, FIGURES, "loss.csv")
"""Files of the training that are published with the judge."""


def push(folder: Path, repository: str, *, private: bool = False) -> str:
    """Publish a judge with its model card in one commit; return the commit.

    huggingface_hub finds endpoint and token itself: HF_ENDPOINT, HF_TOKEN or `hf auth login`. The
    repository is made if there is none, `private` or public.

    Raises
    ------
    UserError
        The folder holds no trained judge, there is no token, the Hub refuses, or it cannot be
        reached.
    """
    if not REPOSITORY.fullmatch(repository):
        raise UserError(f"{repository}: not OWNER/NAME of a model repository")
    card = model_card(folder, repository)
    if is_offline():
        raise UserError("HF_HUB_OFFLINE forbids network access; unset it to publish a judge")
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not get_token():
        raise UserError("no token for the Hub; log in with `hf auth login`, or set HF_TOKEN")
    if not sys.stderr.isatty():
        disable_progress_bars()
    # It logs each retry with a presigned URL, with which anyone could write to the storage.
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
    told = [folder / TRAINING / name for name in TOLD]
    files = [*model_files(folder), *(file for file in told if file.exists())]
    operations = [
        CommitOperationAdd("README.md", card.encode()),
        *(CommitOperationAdd(file.relative_to(folder).as_posix(), str(file)) for file in files),
    ]
    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        done: Any = api.create_commit(repository, operations, commit_message="Publish a judge")
    except Exception as error:
        message = _explain(error, repository)
        if message is None:
            raise
        raise UserError(without_token(message)) from error
    return str(done.oid)


def _explain(error: Exception, repository: str) -> str | None:
    """Describe an error of the Hub in one line, with the remedy; None for any other error."""
    from huggingface_hub.errors import HfHubHTTPError

    for each in causes(error):
        if isinstance(each, HfHubHTTPError) and each.response is not None:
            return _refusal(each, repository)
    for each in causes(error):
        if is_transport(each):
            return (
                f"{endpoint()}: no answer ({one_line(each)}); check the network and HF_ENDPOINT, "
                "and push again"
            )
    if isinstance(error, ValueError | KeyError | TypeError):
        return (
            f"{endpoint()}: not an answer of the Hub ({one_line(error)}); check HF_ENDPOINT, and "
            "whether a proxy or a login page answers instead"
        )
    library = type(error).__module__.partition(".")[0]
    if library in ("huggingface_hub", "hf_xet") or isinstance(error, RuntimeError):
        return (
            f"{endpoint()}: the upload failed ({one_line(error)}); push again, or without Xet "
            "(HF_HUB_DISABLE_XET=1)"
        )
    return None


def _refusal(error: HfHubHTTPError, repository: str) -> str:
    status = error.response.status_code
    if status in (401, 403):
        return (
            f"{endpoint()}: refuses the token for {repository} ({one_line(error)}); log in with "
            "`hf auth login`, with the right to write there"
        )
    return f"{endpoint()}: answered {status} ({one_line(error)}); push again later"

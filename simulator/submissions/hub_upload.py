"""Proposing a submission to a dataset repository on the Hugging Face Hub, as a pull request."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

from simulator.errors import UserError, one_line
from simulator.hub.errors import (
    causes,
    endpoint,
    is_offline,
    is_transport,
    without_token,
)
from simulator.submissions.packing import Packed

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


def check_repository(repository: str) -> None:
    """Raise `UserError` for an invalid repository name, or if HF_HUB_OFFLINE is set."""
    if not _REPOSITORY.fullmatch(repository):
        raise UserError(f"--hub {repository}: not OWNER/NAME of a dataset repository")
    if is_offline():
        raise UserError("--hub: HF_HUB_OFFLINE forbids network access; unset it, or use --bundle")


def open_pull_request(packed: Packed, repository: str) -> str:
    """Open a pull request that adds `submissions/<name>/`; return its address.

    huggingface_hub finds endpoint and token itself: HF_ENDPOINT, HF_TOKEN or `hf auth login`.

    Raises
    ------
    UserError
        There is no token or no such repository, the Hub refuses, or it cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    # It logs each retry with a presigned URL, with which anyone could write to the storage.
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
    if not get_token():
        raise UserError("--hub: no token; log in with `hf auth login`, or set HF_TOKEN")
    metadata = packed.submission.metadata
    operations = [
        CommitOperationAdd(f"submissions/{packed.name}/{name}", content)
        for name, content in sorted(packed.content.items())
    ]
    try:
        done: Any = HfApi().create_commit(
            repository,
            operations,
            repo_type="dataset",
            commit_message=f"Submit {metadata.method}",
            commit_description=f"Verify with: deepprune-sim verify submissions/{packed.name}",
            create_pr=True,
        )
    except Exception as error:
        message = _explain(error, repository)
        if message is None:
            raise
        raise UserError(without_token(message)) from error
    return "".join(filter(str.isprintable, str(done.pr_url)))


def _explain(error: Exception, repository: str) -> str | None:
    """Describe an error of the Hub in one line, with the remedy; None for any other error."""
    from huggingface_hub.errors import HfHubHTTPError

    remedy = "nothing was submitted; --bundle writes a file to send by hand"
    chain = [*causes(error)]
    for each in chain:
        if isinstance(each, HfHubHTTPError) and each.response is not None:
            return f"{_refusal(each, repository)}; {remedy}"
    for each in chain:
        if is_transport(each):
            return f"{endpoint()}: no answer ({one_line(each)}); check the network; {remedy}"
    if any(_of_xet(each) for each in chain):
        return (
            f"{endpoint()}: the upload failed ({one_line(chain[-1])}); try again, or without Xet "
            f"(HF_HUB_DISABLE_XET=1); {remedy}"
        )
    if isinstance(error, ValueError | KeyError | TypeError):
        return (
            f"{endpoint()}: not an answer of the Hub ({one_line(error)}); check HF_ENDPOINT, "
            f"and whether a proxy or a login page answers instead; {remedy}"
        )
    if isinstance(error, RuntimeError) or _library(error) == "huggingface_hub":
        return f"{endpoint()}: {one_line(chain[-1])}; try again later; {remedy}"
    return None


def _refusal(error: HfHubHTTPError, repository: str) -> str:
    """Describe a refusal and its remedy; the storage of files can refuse as well as the Hub."""
    status = error.response.status_code
    stored = error.response.request.method == "PUT"
    if status == 413:
        return (
            f"{endpoint()}: a file is too large for the server (413); make the run with fewer "
            "repeats or pools"
        )
    if stored:
        return f"{error.response.url.host}: refuses a file ({status}); try again"
    if status == 404:
        return f"{endpoint()}: no dataset {repository}, or a private one; check --hub"
    if status in (401, 403):
        return (
            f"{endpoint()}: refuses the token for {repository} ({one_line(error)}); log in "
            "with `hf auth login`, with the right to open pull requests"
        )
    return f"{endpoint()}: answered {status} ({one_line(error)}); try again later"


def _of_xet(error: BaseException) -> bool:
    return _library(error) == "hf_xet" or "xet" in str(error).casefold()


def _library(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]

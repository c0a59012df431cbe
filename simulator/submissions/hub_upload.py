"""Proposing a submission to a dataset repository on the Hugging Face Hub, as a pull request."""

from __future__ import annotations

import re
from typing import Any

from simulator.errors import UserError
from simulator.hub_errors import endpoint, is_offline, is_transport, one_line, without_token
from simulator.submissions.packing import Packed

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


def check_repository(repository: str) -> None:
    """Refuse what is no name of a repository, and a machine that is told to stay offline."""
    if not _REPOSITORY.fullmatch(repository):
        raise UserError(f"--hub {repository}: not OWNER/NAME of a dataset repository")
    if is_offline():
        raise UserError("--hub: HF_HUB_OFFLINE keeps us from the network; unset it, or --bundle")


def open_pull_request(packed: Packed, repository: str) -> str:
    """Open a pull request that adds `submissions/<name>/`; returns its address.

    Endpoint and token are huggingface_hub's own: HF_ENDPOINT, HF_TOKEN or `hf auth login`.

    Raises
    ------
    UserError
        There is no token or no such repository, the Hub refuses, or it cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

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
    from huggingface_hub.errors import HfHubHTTPError

    remedy = "nothing was submitted; --bundle writes a file to send by hand"
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        status = error.response.status_code
        if status == 404:
            return f"{endpoint()}: no dataset {repository}, or a private one; check --hub; {remedy}"
        if status in (401, 403):
            return (
                f"{endpoint()}: refuses the token for {repository} ({one_line(error)}); log in "
                f"with `hf auth login`, with the right to open pull requests; {remedy}"
            )
        return f"{endpoint()}: answered {status} ({one_line(error)}); try again later; {remedy}"
    if is_transport(error):
        return f"{endpoint()}: no answer ({one_line(error)}); check the network; {remedy}"
    if isinstance(error, ValueError | KeyError | TypeError):
        return (
            f"{endpoint()}: the answer is not the Hub's ({one_line(error)}); check HF_ENDPOINT, "
            f"and whether a proxy or a login page answers instead; {remedy}"
        )
    if type(error).__module__.partition(".")[0] in ("huggingface_hub", "hf_xet"):
        return f"{endpoint()}: {one_line(error)}; {remedy}"
    return None

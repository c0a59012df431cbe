"""One-line errors, each with a remedy, for the exceptions of huggingface_hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import WRITE_FAULTS, UserError, one_line
from simulator.hub.registry import Entry

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_TRANSPORT = {"TransportError", "RequestError", "RequestException"}
"""Names of the base classes of connection errors in the HTTP libraries (httpx, requests)."""


class UnreachableError(UserError):
    """The Hub does not answer, or not completely."""


@dataclass(frozen=True)
class Remedies:
    """Remedies that depend on the command: to repeat it, to name a repository or a revision.

    `right` is what the token has to be allowed to do.
    """

    again: str = "pull again"
    name: str = "check the name in the registry"
    revision: str = "choose one with --revision"
    right: str = "read it"


PULL = Remedies()


def is_offline() -> bool:
    """Check whether HF_HUB_OFFLINE forbids the use of the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


@contextmanager
def errors_told(
    entry: Entry, revision: str, folder: Path | None = None, remedies: Remedies = PULL
) -> Iterator[None]:
    """Turn exceptions of huggingface_hub into a `UserError`; other exceptions pass through."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        message = _explain(error, entry, revision, folder, remedies)
        if message is None:
            raise
        kind = UnreachableError if _unanswered(error) else UserError
        raise kind(without_token(" ".join(message.split()))) from error


def _unanswered(error: Exception) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    chain = [*causes(error)]
    answered = any(isinstance(each, HfHubHTTPError) and each.response is not None for each in chain)
    return not answered and any(map(is_transport, chain))


def _explain(
    error: Exception, entry: Entry, revision: str, folder: Path | None, remedies: Remedies
) -> str | None:
    """Explain an error and its remedy; return None if it has nothing to do with the Hub."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    chain = list(causes(error))
    for each in chain:
        if isinstance(each, HfHubHTTPError) and each.response is not None:
            return _explain_answer(each, entry, revision, remedies)
    for each in chain:
        if is_transport(each):
            return (
                f"{endpoint()}: no answer, or a broken one ({one_line(each)}); check the network, "
                f"proxy and HF_ENDPOINT, then {remedies.again}: complete files are kept"
            )
    for each in chain:
        if isinstance(each, OSError) and each.errno in WRITE_FAULTS:
            place = each.filename or folder or "downloads"
            return f"{place}: {each.strerror}; {WRITE_FAULTS[each.errno]}"
    if isinstance(error, HFValidationError):
        return f"[{entry.name}] repository: {one_line(error)}; {remedies.name}"
    if isinstance(error, LocalEntryNotFoundError):
        if is_offline():
            return (
                f"{entry.source}: not all of revision {revision} is on this machine, and "
                f"HF_HUB_OFFLINE forbids the network; unset it and {remedies.again}"
            )
        return f"{entry.source}: {one_line(error)}; {remedies.again}"
    if isinstance(error, OSError) and "onsistency check" in str(error):
        return f"{entry.source}: a file arrived incomplete ({one_line(error)}); {remedies.again}"
    if isinstance(error, ValueError | KeyError | TypeError) and folder is None:
        return (
            f"{endpoint()}: the answer is not the Hub's ({one_line(error)}); check HF_ENDPOINT, "
            "and whether a proxy or a login page answers instead"
        )
    library = type(error).__module__.partition(".")[0]
    if library == "hf_xet" or (folder is not None and "xet" in str(error).casefold()):
        return (
            f"{entry.source}: the download broke ({one_line(error)}); {remedies.again}, or without "
            "Xet (HF_HUB_DISABLE_XET=1)"
        )
    return (
        f"{entry.source}: {one_line(error)}; {remedies.again}"
        if library == "huggingface_hub"
        else None
    )


def _explain_answer(error: HfHubHTTPError, entry: Entry, revision: str, remedies: Remedies) -> str:
    """Explain an HTTP error of the Hub and its remedy."""
    from huggingface_hub import errors, get_token

    status = error.response.status_code
    log_in = "log in with `hf auth login`, or set HF_TOKEN"
    if isinstance(error, errors.GatedRepoError):
        step = (
            f"then {remedies.again} (the token in use belongs to an account without access so far)"
            if get_token()
            else f"then {log_in}, and {remedies.again}"
        )
        return f"{entry.repository} is gated: accept its terms at {entry.url}, {step}"
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"{entry.repository} has no revision {revision}; {entry.url}/commits/main shows all, "
            f"{remedies.revision}"
        )
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return (
            f"{entry.repository}: a file is gone ({error.response.url}); {remedies.again}, or "
            f"{remedies.revision}"
        )
    if isinstance(error, errors.DisabledRepoError):
        return f"{entry.repository} has been disabled on the Hub; see {entry.url}"
    unknown = isinstance(error, errors.RepositoryNotFoundError) or status == 404
    if unknown or (status == 401 and not get_token()):
        step = "check that the token's account may read it" if get_token() else log_in
        return (
            f"{endpoint()}: no {entry.repo_type} {entry.repository}, or a private one; "
            f"{remedies.name}, and if it is private, {step}"
        )
    if status == 401:
        return f"the Hub refuses the token for {entry.repository}; {log_in}"
    if status == 403:
        return (
            f"the Hub refuses access to {entry.repository} ({_reason(error)}); give the token the "
            f"right to {remedies.right}, or {log_in}"
        )
    if status == 429:
        seconds = retry_after(error.response.headers)
        wait = f"in {seconds} seconds" if seconds else "in a few minutes"
        more = "" if get_token() else "; log in (`hf auth login`) for a higher limit"
        return f"{endpoint()}: too many requests (429); {remedies.again} {wait}{more}"
    return f"{endpoint()}: answered {status} ({_reason(error)}); {remedies.again} later"


def _reason(error: HfHubHTTPError) -> str:
    """Return the reason for a refusal, in the Hub's words or in those of HTTP."""
    said = error.server_message or getattr(error.response, "reason_phrase", "") or "no reason given"
    return " ".join(said.split())[:200]


def retry_after(headers: Any) -> int | None:
    """Return the seconds that a server asks to wait; None if it gives no number."""
    found = re.fullmatch(r"\s*(\d+)\s*", headers.get("Retry-After") or "") or re.search(
        r"\bt\s*=\s*(\d+)", headers.get("RateLimit") or ""
    )
    return int(found[1]) if found else None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, each once."""
    seen: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in seen:
        seen.append(each)
        yield each
        each = each.__cause__ or each.__context__


def is_transport(error: BaseException) -> bool:
    return any(kind.__name__ in _TRANSPORT for kind in type(error).__mro__)


def without_token(text: str) -> str:
    """Replace all access tokens in a text by a placeholder."""
    return re.sub(r"(?i:bearer)\s+[^\s'\"]+|\bhf_[A-Za-z0-9]{8,}", "<token>", text)


def endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)

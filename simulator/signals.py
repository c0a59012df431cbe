"""Signals that pools store: names, and tables of those with a number a token or a probe.

Imports nothing heavy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

NO_ANSWER = -1
"""Answer class of a trace or probe without an answer."""

UNASKED = -2
"""Answer class of a probe that was not asked."""

UNFINISHED = "unfinished"
"""Finish reason of a trace of which only the first tokens were generated."""


@dataclass(frozen=True, slots=True)
class TokenSignal:
    """One number for each token of a trace.

    Attributes
    ----------
    unit
        Unit of the numbers.
    plural
        Name of the DuckDB view of its values.
    definition
        Definition of a token's number, with its source.
    columns
        Names of columns in other people's files that hold it.
    lookalike
        Regular expression of column names that may mean it, but are not in `columns`.
    storage
        Arrow types that a pool may store it in, the preferred one first. `uint16` holds whole
        thousandths and is used where that is lossless for the whole pool, so up to 65.535.
    """

    unit: str
    plural: str
    definition: str
    columns: tuple[str, ...]
    lookalike: str
    storage: tuple[str, ...] = ("uint16", "float32")

    def __str__(self) -> str:
        return f"{self.definition}; in {self.unit}"


TOKEN_SIGNALS = {
    "confidence": TokenSignal(
        unit="nats",
        plural="confidences",
        definition="minus the mean of the token's top 20 log-probabilities (arXiv 2508.15260)",
        columns=("confs", "confidence", "conf", "token_confidence", "token_conf"),
        lookalike="conf",
    ),
    "entropy": TokenSignal(
        unit="nats",
        plural="entropies",
        definition="entropy of the token's top 20 probabilities, renormalised to a sum of 1",
        columns=("entropy", "entropies", "token_entropy", "token_entropies"),
        lookalike="entrop",
    ),
}
"""Token signals by name. Importing, storing, checking and reading them, a policy's measures and
stop rules, the connection to its process, and the altered problems of `check` follow from here."""


def unknown_signal(name: object) -> str:
    """Describe the error of a name that is not in `TOKEN_SIGNALS`."""
    return f"no token signal {name!r:.60}; there are {', '.join(TOKEN_SIGNALS)}"


@dataclass(frozen=True, slots=True)
class ProbeSignal:
    """One number for each probe of a trace.

    A probe adds a suffix to the trace and decodes an answer greedily. The answer's tokens are all
    that the model generates for it, with the one that closes the box if there is a box, and without
    a token for the end of the text. Their probabilities are the model's own, before temperature.

    Attributes
    ----------
    definition
        Definition of the number.
    most
        Largest possible number; the smallest is 0.
    """

    definition: str
    most: float = 1.0

    def __str__(self) -> str:
        return self.definition


PROBE_SIGNALS = {
    "probe_mean": ProbeSignal("arithmetic mean of the probabilities of the answer's tokens"),
    "probe_gmean": ProbeSignal("geometric mean of the probabilities of the answer's tokens"),
    "probe_min": ProbeSignal("smallest of the probabilities of the answer's tokens"),
    "probe_entropy": ProbeSignal(
        "entropy of the answer's first token, of its top 20 probabilities, renormalised to a sum "
        "of 1; in nats",
        most=math.inf,
    ),
}
"""Probe signals by name. A pool may have any of them, if it has probes; a number that is not known
of a probe is null in files and NaN elsewhere."""


def unknown_probe_signal(name: object) -> str:
    """Describe the error of a name that is not in `PROBE_SIGNALS`."""
    return f"no probe signal {name!r:.60}; there are {', '.join(PROBE_SIGNALS)}"


SIGNALS = ("text", *TOKEN_SIGNALS, "probes", *PROBE_SIGNALS)
"""Signals that a pool can store per trace besides length and answer, one file each."""

NEEDS = (*SIGNALS, "judge")
"""Requirements that a policy can declare: signals of the pool, and a judge."""

"""Built-in policies: one short file per method, each as its source describes it.

`METHODS` maps a name to `module:class`. Braces in a name stand for a whole number: `{budget}` sets
the budget, anything else the parameter of that name, so `short-3@16` is short-m@k with m=3, k=16.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from itertools import product

NUMBERS = r"[0-9]+|\{[0-9]+(?:,[0-9]+)*\}"
"""Regular expression of a number in a name, or of several in braces, as in `cons@{8,16}`."""

METHODS = {
    "pass@1": "pass_at_1:PassAt1",
    "cons@{budget}": "cons:Cons",
    "asc": "asc:ASC",
    "esc": "esc:ESC",
    "sprt": "sprt:SPRT",
    "msprt": "sprt:MSPRT",
    "doubling": "doubling:Doubling",
    "ppr-1v1": "ppr_1v1:PPR1v1",
    "beta-sc": "beta_sc:BetaSC",
    "bayes-3": "bayes_3:Bayes3",
    "short-{m}@{budget}": "short_m:ShortM",
    "quorum": "quorum:Quorum",
    "steadfast": "steadfast:Steadfast",
    "sac": "sac:SAC",
    "parallel-probe": "parallel_probe:ParallelProbe",
    "cmc": "cmc:CMC",
    "certaindex": "certaindex:Certaindex",
    "dynasor": "dynasor:Dynasor",
    "k-stable": "k_stable:KStable",
    "eat": "eat:EAT",
    "deer": "deer:DEER",
    "deepconf-low": "deepconf:DeepConfLow",
    "deepconf-high": "deepconf:DeepConfHigh",
    "deepconf-offline": "deepconf_offline:DeepConfOffline",
    "deepconf-optillm": "deepconf_optillm:DeepConfOptillm",
    "deepconf-vllm": "deepconf_vllm:DeepConfVllm",
    "self-certainty": "self_certainty:SelfCertainty",
    "best-of-n": "best_of_n:BestOfN",
    "weighted-vote": "best_of_n:WeightedVote",
    "soft-sc": "soft_sc:SoftSC",
    "tail-entropy": "tail_entropy:TailEntropy",
    "cges": "cges:CGES",
    "reasc": "reasc:ReASC",
    "slim-sc": "slim_sc:SlimSC",
    "deepprune": "deepprune:DeepPrune",
    "oracle": "oracle:Oracle",
}


def match_name(spec: str, number: str = "[0-9]+") -> tuple[str, dict[str, str]] | None:
    """Find the template that `spec` fits; return it with the numbers by their names in braces.

    `number` is the regular expression of a number.
    """
    for template in METHODS:
        if match := _pattern(template, number).fullmatch(spec):
            return template, match.groupdict()
    return None


@cache
def _pattern(template: str, number: str) -> re.Pattern[str]:
    """Return the regular expression of the names that fit a template."""
    return re.compile(re.sub(r"\\{(\w+)\\}", rf"(?P<\1>{number})", re.escape(template)))


def expand_name(spec: str) -> list[tuple[str, dict[str, str]]]:
    """Expand braces in a built-in name: `cons@{8,16}` to `cons@8` and `cons@16`.

    Returns
    -------
    Each name, the first braces slowest, with those of its numbers that vary, by their names in
    `METHODS`. A spec without braces, or of no such name, is returned as it is.
    """
    found = match_name(spec, NUMBERS)
    if found is None:
        return [(spec, {})]
    template, typed = found
    values = {hole: text.strip("{}").split(",") for hole, text in typed.items()}
    several = [hole for hole in values if len(values[hole]) > 1]
    points = [dict(zip(values, point, strict=True)) for point in product(*values.values())]
    return [
        (template.format(**numbers), {hole: numbers[hole] for hole in several})
        for numbers in points
    ]


def family_name(name: str, varied: Collection[str]) -> str:
    """Return a name with letters for those numbers that are in `varied`: `cons@8` as `cons@N`."""
    found = match_name(name)
    if found is None:
        return name
    template, numbers = found
    for hole in numbers.keys() - set(varied):
        template = template.replace(f"{{{hole}}}", numbers[hole])
    return shown_name(template)


def shown_name(template: str) -> str:
    """Return a template with letters for its numbers, as in papers: cons@N, short-m@k."""
    if "{m}" in template:
        return template.replace("{m}", "m").replace("{budget}", "k")
    return template.replace("{budget}", "N")


def example_name(template: str) -> str:
    """Return a template with numbers: cons@64, short-3@16."""
    budget = "16" if "{m}" in template else "64"
    return template.replace("{m}", "3").replace("{budget}", budget)


def explain_numbers(template: str) -> str:
    """Return which letters of a name stand for numbers, with an example; empty if none does."""
    if template == example_name(template):
        return ""
    letters = "m and k stand for numbers" if "{m}" in template else "N stands for a number"
    return f"{letters} of traces, such as {example_name(template)}"

"""Built-in policies: one short file per method, each as its source describes it.

`METHODS` maps a name to `module:class`. Braces in a name stand for a whole number: `{budget}` sets
the budget, anything else the parameter of that name, so `short-3@16` is short-m@k with m=3, k=16.
"""

from __future__ import annotations

METHODS = {
    "pass@1": "pass_at_1:PassAt1",
    "cons@{budget}": "cons:Cons",
    "asc": "asc:ASC",
    "esc": "esc:ESC",
    "sprt": "sprt:SPRT",
    "msprt": "sprt:MSPRT",
    "doubling": "doubling:Doubling",
    "short-{m}@{budget}": "short_m:ShortM",
    "sac": "sac:SAC",
    "parallel-probe": "parallel_probe:ParallelProbe",
    "deepconf-low": "deepconf:DeepConfLow",
    "deepconf-high": "deepconf:DeepConfHigh",
    "deepconf-offline": "deepconf_offline:DeepConfOffline",
    "self-certainty": "self_certainty:SelfCertainty",
    "deepprune": "deepprune:DeepPrune",
    "oracle": "oracle:Oracle",
}

"""Importers: foreign files in, problems with their traces out. One module a format.

A reader takes `ImportOptions` and returns a `Reading`; `simulator.importers.into_pool` writes it.
"""

FORMATS = {
    "scout": "simulator.importers.scout:read",
    "inspect": "simulator.importers.inspect_log:read",
    "jsonl": "simulator.importers.jsonl:read",
    "parquet": "simulator.importers.jsonl:read",
    "deepprune": "simulator.importers.deepprune:read",
    "lm-eval": "simulator.importers.lm_eval:read",
    "openai": "simulator.importers.openai_completions:read",
    "deepconf": "simulator.importers.deepconf:read",
}
"""Format to `module:function`, so that naming the formats loads none of them."""

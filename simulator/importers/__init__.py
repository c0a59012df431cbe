"""Importers: they read foreign files as problems with their traces. One module per format.

A reader takes `ImportOptions` and returns a `Reading`; `simulator.importers.import_pool` writes it.
"""

FORMATS = {
    "scout": "simulator.importers.formats.scout:read",
    "inspect": "simulator.importers.formats.inspect_log:read",
    "jsonl": "simulator.importers.formats.tabular:read_jsonl",
    "parquet": "simulator.importers.formats.tabular:read_jsonl",
    "csv": "simulator.importers.formats.tabular:read_jsonl",
    "deepprune": "simulator.importers.formats.tabular:read_deepprune",
    "lm-eval": "simulator.importers.formats.lm_eval:read",
    "openai": "simulator.importers.formats.openai_completions:read",
    "deepconf": "simulator.importers.formats.deepconf:read",
    "feval-ttc": "simulator.importers.formats.feval_ttc:read",
    "zelt": "simulator.importers.formats.zelt:read",
    "trackio": "simulator.importers.formats.trackio:read",
}
"""Format to `module:function`, so that listing the formats imports none of them."""

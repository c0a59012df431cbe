"""Generated pools: traces that no model wrote, for speed measurements, tests and demonstration.

`cells` lists the pools, `calibration` fits them to the published figures, `shape`, `probing`,
`confidence` and `text` make the traces, and `pools` writes them.
"""

"""Generated pools: traces that no model wrote, for speed measurements, tests and demonstration.

`cells` lists the pools, `calibration` fits them to the published figures, `shape`, `probing`,
`confidence` and `text` make the traces, and `pools` writes them. `simulator.generated.sample`, the
pool that is made if there is no other, shares `shape` and `probing`.
"""

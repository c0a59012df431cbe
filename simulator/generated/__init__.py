"""Generated pools: traces that no model wrote, for speed, tests and demonstration.

`cells` says which there are, `calibration` meets the published figures, `shape`, `probing`,
`confidence` and `text` make the traces, and `pools` writes them. `simulator.generated.sample`, the
pool that is made where there is none, shares `shape` and `probing`.
"""

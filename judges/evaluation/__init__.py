"""Offline evaluation of judges: AUROC, TNR@0.2, plots; redundancy of pools."""

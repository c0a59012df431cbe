"""Comparisons of runs: tables, CSV, LaTeX, plots."""

"""Runs: making, resuming, merging, sweeping, summarising and reading them."""

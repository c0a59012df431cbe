"""Sets of labelled pairs of traces, and their splits."""

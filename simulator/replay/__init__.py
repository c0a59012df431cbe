"""The replay: engine, clock, judge ledger, orders of traces, grading, recording."""

"""Policies live: the same policy on an engine that generates, and the recording of what it did."""

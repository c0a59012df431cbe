"""Verification of submissions: recompute, rerun, verdict.

Everything read here was written by a stranger: nothing of it is believed before it is checked.
"""

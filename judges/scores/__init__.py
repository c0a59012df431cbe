"""Stored judge scores: format, cached access, filling, inventory."""

"""Conformance checks of policies: replays on altered problems."""

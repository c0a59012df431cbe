"""Engines: programs that run a model, behind the protocol of `simulator.live.source`."""

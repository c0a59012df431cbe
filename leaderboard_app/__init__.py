"""The leaderboard: pure functions that build tables and charts, and pages that only render them.

Part of deepprune-sim.
"""

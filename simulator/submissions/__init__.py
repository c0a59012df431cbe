"""Submissions: packing a run for the leaderboard, and verifying submissions of others.

The input was written by a stranger: every part of it is checked before it is used.
"""

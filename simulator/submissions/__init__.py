"""Submissions: packing a run for the leaderboard, and verifying what others have packed.

What is read here was written by a stranger: nothing of it is believed before it is checked.
"""

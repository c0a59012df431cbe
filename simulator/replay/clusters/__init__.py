"""Clusters of traces: greedy clustering with stored scores, and facts about declared clusters."""

"""The judge of a run, and the pairs that greedy clustering asks for."""

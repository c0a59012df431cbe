"""Studies with runs: sizes of comparisons, and settings that are chosen on some problems only."""

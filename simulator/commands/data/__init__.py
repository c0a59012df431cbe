"""The commands of `deepprune-sim data`, one module each."""

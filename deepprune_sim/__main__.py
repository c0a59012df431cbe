"""Start of the command line as `python -m deepprune_sim`."""

from deepprune_sim.cli import main

main()

"""The Python API, which people import from `deepprune_sim`; the commands stand on it, too."""

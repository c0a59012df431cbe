"""One module per command: a thin layer over the library; heavy imports are inside the functions."""

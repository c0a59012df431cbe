"""One module a command: thin, over the library beside it; heavy imports inside the functions."""

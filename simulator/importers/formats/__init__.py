"""One module a foreign format, each with a function `read`."""

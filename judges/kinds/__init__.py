"""One module a kind of judge, and what judges by language models share."""

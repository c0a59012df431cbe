"""The board as plain files: HTML that needs no server, with the tables as CSV and JSON."""

"""Results of a board that files keep between processes."""

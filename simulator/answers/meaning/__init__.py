"""Meaning of mathematical answers: notation, values, structure and grouping."""

"""Final answers: extracting, normalising, comparing and grouping them."""

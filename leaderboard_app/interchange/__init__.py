"""The board in the formats that other sites and programs read."""

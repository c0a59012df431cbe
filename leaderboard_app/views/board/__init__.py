"""The page board: `page` renders, the other modules build what it shows."""

"""The page judges: `page` renders, the other modules build what it shows."""

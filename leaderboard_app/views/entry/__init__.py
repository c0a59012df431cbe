"""The page entry: `page` renders, the other modules build what it shows."""

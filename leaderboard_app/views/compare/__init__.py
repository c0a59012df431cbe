"""The page compare: `page` renders, the other modules build what it shows."""

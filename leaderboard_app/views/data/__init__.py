"""The page data: `page` renders, the other modules build what it shows."""

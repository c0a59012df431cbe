"""The page problem: `page` renders, the other modules build what it shows."""

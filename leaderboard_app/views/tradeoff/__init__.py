"""The page tradeoff: `page` renders, the other modules build what it shows."""

"""The page submit: `page` renders, the other modules build what it shows."""

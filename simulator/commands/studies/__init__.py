"""Commands that plan comparisons and choose settings: `power` and `tune`."""

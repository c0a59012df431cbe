"""DuckDB views over pools, runs and submissions."""

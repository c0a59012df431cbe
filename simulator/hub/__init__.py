"""Known public pools: their registry, download and import."""

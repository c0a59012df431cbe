"""Token signals in pools: their files in both formats, their values, and conversion."""

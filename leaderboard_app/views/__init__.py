"""The pages: each renders what the pure module of its name builds."""

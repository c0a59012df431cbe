"""The pages: each renders what the pure module of the same name builds."""

"""Plots of a comparison: points, intervals, labels and their places."""

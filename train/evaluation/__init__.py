"""Measuring what was trained: scores, robustness, and the loss around a minimum."""

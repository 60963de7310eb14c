"""Sweeps: many trainings over a space of options, compared."""

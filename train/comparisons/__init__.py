"""Comparing ways to augment: what is measured, what follows from it, and the report of both."""

"""Damaged files for whatever reads files of strangers."""

"""Deterministic tar writing, addressable reading, verification. No policies, no torch."""

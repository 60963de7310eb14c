"""Parts of `benchmarks/minutes.py`: trainers, the same minutes for each, and what came of them."""

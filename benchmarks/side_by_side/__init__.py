"""Parts of `benchmarks/expand.py` and `benchmarks/read.py`: the same work done by all peers."""

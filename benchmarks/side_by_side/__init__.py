"""Parts of `benchmarks/expand.py`, `read.py` and `minutes.py`: the same work done by all peers."""

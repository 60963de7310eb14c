"""Parts of `benchmarks/read.py`: readers of the same images, each measured by itself."""

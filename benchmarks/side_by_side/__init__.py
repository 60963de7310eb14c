"""Parts of `benchmarks/expand.py`: the same expansion done by augcli and by its peers."""

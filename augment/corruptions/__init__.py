"""The standard corruptions: what cameras, weather and files do to images, in five severities.

Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", https://arxiv.org/abs/1903.12261. They are for measuring only: no image is ever
trained on with them.
"""

"""The learning-rate range test: the sweep, the rules that read a rate off it, and the picture.

L. N. Smith 2017, "Cyclical learning rates for training neural networks", section 3.3,
https://arxiv.org/abs/1506.01186; made popular by fast.ai's `lr_find`, whose suggestions these are.
"""

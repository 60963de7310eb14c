"""Two ways of predicting the same images, compared image by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000


@dataclass(frozen=True)
class Paired:
    """How often the second way is right where the first is wrong, and the other way round."""

    n: int
    gained: int
    """Images that only the second way recognises."""
    lost: int
    """Images that only the first way recognises."""

    @property
    def difference(self) -> float:
        """Accuracy of the second way less that of the first."""
        return (self.gained - self.lost) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `difference`, by paired bootstrap: percentiles, fixed seed.

        Images are drawn anew with both their results. Only how many of each kind are drawn
        matters, so that is what is drawn.
        """
        same = self.n - self.gained - self.lost
        shares = np.array([self.gained, self.lost, same]) / self.n
        draws = np.random.Generator(np.random.Philox(key=0)).multinomial(
            self.n, shares, size=RESAMPLES
        )
        low, high = np.quantile((draws[:, 0] - draws[:, 1]) / self.n, (0.025, 0.975))
        return float(low), float(high)

    @property
    def p_value(self) -> float:
        """McNemar's test, exact and two-sided: how likely such a difference is by chance.

        McNemar 1947, https://doi.org/10.1007/BF02295996, by the binomial distribution.
        """
        unlike, fewer = self.gained + self.lost, min(self.gained, self.lost)
        ways = tail = 1
        for k in range(fewer):
            ways = ways * (unlike - k) // (k + 1)
            tail += ways
        return min(1.0, 2 * tail / (1 << unlike))


def compare(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Paired:
    """Which images (N,) the first and the second way recognise."""
    return Paired(len(first), int((second & ~first).sum()), int((first & ~second).sum()))

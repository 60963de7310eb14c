"""What every corruption is: a function of (image, draw, amount, scale) that gives a new image.

- `image` is float32 RGB (side, side, 3), 0..1, and stays as it is; what is given back has the same
  shape and may leave 0..1.
- `draw` is the image's own stream: the only randomness.
- `amount` holds the numbers of one severity, in the order that the function names them.
- `scale` is how many pixels of the image at hand make one of the image that the amounts were
  chosen for: lengths in them are multiplied by it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Amount = tuple[float, ...]
Corrupt = Callable[[Field, np.random.Generator, Amount, float], Field]

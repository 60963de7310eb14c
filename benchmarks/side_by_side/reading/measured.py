"""What the process of a reader, or of a bound, found out about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """`images` in `seconds`: whole epochs, all but the first one; a bound has no epochs.

    `first_batch_seconds` are from the opening of the reader to its first batch, `start_seconds`
    from the start of the process, imports included. `layout` is `HWC` or `CHW`.
    """

    images_per_second: float
    images: int
    seconds: float
    epochs: int = 0
    first_batch_seconds: float | None = None
    start_seconds: float | None = None
    layout: str = ""

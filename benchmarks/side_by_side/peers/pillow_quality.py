"""For peers that save by Pillow without asking for a quality (Pillow's own default is 75)."""

from __future__ import annotations

from functools import partialmethod

from PIL import Image

from side_by_side.work import QUALITY


def save_at_benchmark_quality() -> None:
    """Make `Image.save` use the quality of the comparison, so that all peers encode alike."""
    Image.Image.save = partialmethod(  # type: ignore[assignment, method-assign]
        Image.Image.save, quality=QUALITY
    )

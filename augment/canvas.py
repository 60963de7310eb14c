"""A view in the making: what was drawn is put down, and done as late and as seldom as possible.

Flips and turns, one affine resampling and one table of grey levels can wait; they are carried out
in one go when something comes that must see pixels. Nothing is ever reordered in a way that shows:

- flips and turns permute pixels, so they commute with tables, and join the resampling exactly;
- a second resampling joins the first when it shows nothing from beyond the frame; otherwise its
  edges would be made of the picture instead of the border, and both are carried out;
- tables join each other; a table before a resampling is carried out before it.

Pictures are uint8 RGBX (height, width, 4); see `frame`.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import stringzilla

from augcli.augment.affine import IDENTITY, Map, compose, inverse, reach
from augcli.augment.decode import Pixels
from augcli.augment.frame import Fill, Frame, rgb_of

Map2d = npt.NDArray[np.float32]
Table = npt.NDArray[np.uint8]
"""(256,) for all channels, or (256, 4), one for each of RGBX."""

_SIX_DOUBLES = struct.Struct("6d")
_KERNEL = 5  # no interpolation reads as many pixels to one side
_HALF_PIXEL = 0.5  # so far a resampling may look beyond the frame and still join


class Sampling(NamedTuple):
    """How a resampling looks between and beyond pixels: OpenCV's flag and mode, and the fill."""

    interpolation: int
    border: int
    fill: Fill


class Canvas:
    """Makes one view after the other; its buffers are reused. Not safe for threads."""

    def __init__(self) -> None:
        self._buffers: list[Pixels] = []
        self._matrix_bytes = bytearray(_SIX_DOUBLES.size)
        self._matrix = np.frombuffer(self._matrix_bytes, np.float64).reshape(2, 3)
        self._frame: Frame | None = None
        self._image: Pixels = np.empty((0, 0, 4), np.uint8)
        self._rgb: Pixels | None = None
        self._map: Map = IDENTITY
        self._sampling: Sampling | None = None
        self._table: Table | None = None
        self.width = self.height = 0

    def start(self, frame: Frame) -> None:
        """Begin a view of `frame`."""
        self._frame = frame
        self._image, self._rgb = frame.pixels, None
        self._map, self._sampling, self._table = IDENTITY, None, None
        self.height, self.width = frame.pixels.shape[:2]

    def turn(self, how: Map) -> None:
        """Flip, turn or transpose: `how` is one of the symmetries of `affine`."""
        self._map = compose(how, self._map)
        if how[1]:
            self.width, self.height = self.height, self.width

    def warp(self, how: Map, sampling: Sampling) -> None:
        """Resample by `how`; the frame keeps its size."""
        if self._sampling is not None:
            if self._table is None and sampling.interpolation == self._sampling.interpolation:
                left, top, right, bottom = reach(inverse(how), self.width, self.height)
                if (
                    min(left, top) >= -_HALF_PIXEL
                    and right <= self.width - 1 + _HALF_PIXEL
                    and bottom <= self.height - 1 + _HALF_PIXEL
                ):
                    self._map = compose(how, self._map)
                    return
            self._flush()
        elif self._table is not None:
            self._apply_table()
        self._map = compose(how, self._map)
        self._sampling = sampling

    def remap(self, x: Map2d, y: Map2d, sampling: Sampling) -> None:
        """Fetch every pixel from (x, y), float32 (height, width) each: carried out at once."""
        self._flush()
        if self._rgb is not None:
            self._load()
        target = self._spare(self.height, self.width)
        fill = (*sampling.fill, 0.0)
        cv2.remap(self._image, x, y, sampling.interpolation, target, sampling.border, fill)
        self._done(target)

    def translate(self, table: Table) -> None:
        """Put every grey level through `table`, of shape (256,) or (256, 4)."""
        first = self._table
        if first is None:
            self._table = table
        elif first.ndim == table.ndim == 1:
            self._table = table[first]
        else:
            wide = [t if t.ndim == 2 else np.repeat(t[:, None], 4, axis=1) for t in (first, table)]
            self._table = np.take_along_axis(wide[1], wide[0].astype(np.intp), axis=0)

    def rgb(self) -> Pixels:
        """The picture so far, uint8 RGB (height, width, 3): the caller's to change."""
        self._flush()
        if self._rgb is not None:
            return self._rgb
        return rgb_of(self._image)

    def paint(self, rgb: Pixels) -> None:
        """Go on with another picture, uint8 RGB (height, width, 3), which must not change."""
        self._frame, self._rgb = None, rgb
        self.height, self.width = rgb.shape[:2]

    def pixels(self) -> Pixels:
        """The finished view, uint8 RGBX; valid until the next `start`, and not to be changed."""
        self._flush()
        if self._rgb is not None:
            self._load()
        return self._image

    # --- carrying out -----------------------------------------------------------------------

    def _flush(self) -> None:
        if self._sampling is not None:
            self._resample()
        elif self._map != IDENTITY:
            self._permute()
        if self._table is not None:
            self._apply_table()

    def _load(self) -> None:
        """The picture as RGBX again, after it was painted."""
        buffer = self._spare(self.height, self.width)
        cv2.cvtColor(np.ascontiguousarray(self._rgb), cv2.COLOR_RGB2RGBA, dst=buffer)
        self._image, self._rgb = buffer, None

    def _resample(self) -> None:
        if self._rgb is not None:
            self._load()
        sampling = self._sampling
        assert sampling is not None
        source, backward, border = self._image, inverse(self._map), sampling.border
        if border != cv2.BORDER_CONSTANT and self._frame is not None:
            height, width = source.shape[:2]
            margin = self._frame.margin
            left, top, right, bottom = reach(backward, self.width, self.height)
            inside = min(left, top) > _KERNEL - margin and right < width + margin - _KERNEL
            if inside and bottom < height + margin - _KERNEL:
                source = self._frame.extended(border)
                a, b, c, d, e, f = backward
                backward = (a, b, c + margin, d, e, f + margin)
        _SIX_DOUBLES.pack_into(self._matrix_bytes, 0, *backward)
        target = self._spare(self.height, self.width)
        flags = sampling.interpolation | cv2.WARP_INVERSE_MAP
        size = (self.width, self.height)
        cv2.warpAffine(source, self._matrix, size, target, flags, border, (*sampling.fill, 0.0))
        self._done(target)

    def _permute(self) -> None:
        """Carry out flips and turns alone: pixels move, none changes."""
        if self._rgb is not None:
            self._load()
        a, b, _, d, e, _ = self._map
        source, target = self._image, self._spare(self.height, self.width)
        if not b:
            cv2.flip(source, 0 if a > 0 else 1 if e > 0 else -1, dst=target)
        elif b > 0 and d > 0:
            cv2.transpose(source, dst=target)
        elif b < 0 and d < 0:
            cv2.flip(cv2.transpose(source), -1, dst=target)
        else:
            clockwise = cv2.ROTATE_90_CLOCKWISE if b < 0 else cv2.ROTATE_90_COUNTERCLOCKWISE
            cv2.rotate(source, clockwise, dst=target)
        self._done(target)

    def _apply_table(self) -> None:
        if self._rgb is not None:
            self._load()
        table = self._table
        assert table is not None
        target = self._image
        if not any(target is buffer for buffer in self._buffers):
            target = self._spare(*target.shape[:2])
            np.copyto(target, self._image)
        if table.ndim == 1:
            stringzilla.translate(target.data.cast("B"), table.data, inplace=True)
        else:
            cv2.LUT(target, table[None], dst=target)
        self._image, self._frame, self._table = target, None, None

    def _done(self, target: Pixels) -> None:
        self._image, self._frame = target, None
        self._map, self._sampling = IDENTITY, None

    def _spare(self, height: int, width: int) -> Pixels:
        """A buffer that doesn't hold the picture."""
        for buffer in self._buffers:
            if buffer is not self._image and buffer.shape[:2] == (height, width):
                return buffer
        if len(self._buffers) >= 2:
            self._buffers = [buffer for buffer in self._buffers if buffer is self._image]
        made: Pixels = np.empty((height, width, 4), np.uint8)
        self._buffers.append(made)
        return made


def fill_of(value: Any) -> Fill:
    """albumentations' fill, a number or one for each of RGB, as three numbers.

    Raises:
        ValueError: neither.
    """
    if isinstance(value, int | float):
        return float(value), float(value), float(value)
    if isinstance(value, list | tuple) and len(value) == 3:
        return float(value[0]), float(value[1]), float(value[2])
    raise ValueError(f"fill {value!r}: expected a number or three")

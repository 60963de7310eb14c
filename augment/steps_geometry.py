"""Compiled geometry: flips, turns, affine maps and crops, put down on the canvas as one map.

Each draws in the order in which its namesake in albumentations 2.0.8 draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2

from augcli.augment.affine import SYMMETRIES, around_center, crop_to_frame, symmetry
from augcli.augment.canvas import Canvas, Sampling, fill_of
from augcli.augment.seeding import ViewStream
from augcli.augment.steps import GEOMETRY, Applied, Step, happens

Range = tuple[float, float]
_RANDOM_CROP_TRIES = 10


@dataclass(frozen=True)
class Flip:
    """`HorizontalFlip`, `VerticalFlip` and `Transpose`."""

    how: ClassVar[str] = GEOMETRY

    name: str
    p: float
    symmetry: str

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin."""
        if happens(self.p, stream, force):
            canvas.turn(symmetry(self.symmetry, canvas.width, canvas.height))
            applied.append(f'["{self.name}",{{}}]')


@dataclass(frozen=True)
class Dihedral:
    """`D4` and `SquareSymmetry`: one of the eight symmetries, all alike."""

    how: ClassVar[str] = GEOMETRY

    name: str
    p: float

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, one of eight."""
        if happens(self.p, stream, force):
            how = SYMMETRIES[int(stream.numpy.integers(0, len(SYMMETRIES)))]
            canvas.turn(symmetry(how, canvas.width, canvas.height))
            applied.append(f'["{self.name}",{{"group_element":"{how}"}}]')


@dataclass(frozen=True)
class Rotate90:
    """`RandomRotate90`: none to three quarter turns."""

    how: ClassVar[str] = GEOMETRY

    p: float

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, one of four."""
        if happens(self.p, stream, force):
            factor = stream.python.randint(0, 3)
            how = ("e", "r90", "r180", "r270")[factor]
            canvas.turn(symmetry(how, canvas.width, canvas.height))
            applied.append(f'["RandomRotate90",{{"factor":{factor}}}]')


@dataclass(frozen=True)
class Rotate:
    """`Rotate` about the centre; degrees, counter-clockwise."""

    how: ClassVar[str] = GEOMETRY

    p: float
    limit: Range
    sampling: Sampling

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, one angle."""
        if happens(self.p, stream, force):
            angle = stream.python.uniform(*self.limit)
            how = around_center(canvas.width, canvas.height, degrees=angle)
            canvas.warp(how, self.sampling)
            applied.append(f'["Rotate",{{"rotate":{angle:.6g}}}]')


@dataclass(frozen=True)
class Affine:
    """`Affine` and `ShiftScaleRotate`: shift, shear, scale and rotation about the centre.

    Ranges are of degrees and factors; `shift_px` of whole pixels, `shift` of parts of the size.
    """

    how: ClassVar[str] = GEOMETRY

    name: str
    p: float
    shift_px: tuple[tuple[int, int], tuple[int, int]] | None
    shift: tuple[Range, Range] | None
    shear: tuple[Range, Range]
    scale: tuple[Range, Range]
    keep_ratio: bool
    rotate: Range
    sampling: Sampling

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, then shift x and y, shear x and y, scale x and y, and the angle."""
        if not happens(self.p, stream, force):
            return
        uniform = stream.python.uniform
        x = y = 0
        if self.shift_px is not None:
            across, down = self.shift_px
            x, y = stream.python.randint(*across), stream.python.randint(*down)
        elif self.shift is not None:
            shift_x, shift_y = uniform(*self.shift[0]), uniform(*self.shift[1])
            x, y = int(shift_x * canvas.width), int(shift_y * canvas.height)
        shear_x, shear_y = uniform(*self.shear[0]), uniform(*self.shear[1])
        scale_x, scale_y = uniform(*self.scale[0]), uniform(*self.scale[1])
        if self.keep_ratio:
            scale_y = scale_x
        angle = uniform(*self.rotate)
        how = around_center(
            canvas.width,
            canvas.height,
            degrees=angle,
            scale=(scale_x, scale_y),
            shear_degrees=(-shear_x, -shear_y),
            shift=(x, y),
        )
        canvas.warp(how, self.sampling)
        applied.append(
            f'["{self.name}",{{"rotate":{angle:.6g},"scale":[{scale_x:.6g},{scale_y:.6g}],'
            f'"shear":[{shear_x:.6g},{shear_y:.6g}],"shift":[{x},{y}]}}]'
        )


@dataclass(frozen=True)
class ResizedCrop:
    """`RandomResizedCrop` to the size of the view: a part of the area, of a drawn proportion.

    Szegedy et al. 2015, "Going deeper with convolutions", CVPR.
    """

    how: ClassVar[str] = GEOMETRY

    p: float
    scale: Range
    ratio: Range
    sampling: Sampling

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, then area and proportion until they fit, then the place."""
        if happens(self.p, stream, force):
            box = self._draw(stream, canvas.width, canvas.height)
            canvas.warp(crop_to_frame(box, canvas.width, canvas.height), self.sampling)
            applied.append(f'["RandomResizedCrop",{{"crop_coords":{list(box)}}}]')

    def _draw(self, stream: ViewStream, width: int, height: int) -> tuple[int, int, int, int]:
        draw, area = stream.python, width * height
        ratios = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(_RANDOM_CROP_TRIES):
            wanted = draw.uniform(self.scale[0] * area, self.scale[1] * area)
            proportion = math.exp(draw.uniform(*ratios))
            across = round(math.sqrt(wanted * proportion))
            down = round(math.sqrt(wanted / proportion))
            if 0 < across <= width and 0 < down <= height:
                row, column = draw.random(), draw.random()
                return _placed(across, down, width, height, row, column)
        across, down = width, height
        if width / height < self.ratio[0]:
            down = round(width / self.ratio[0])
        elif width / height > self.ratio[1]:
            across = round(height * self.ratio[1])
        left, top = (width - across) // 2, (height - down) // 2
        return left, top, left + across, top + down


@dataclass(frozen=True)
class SizedCrop:
    """`RandomSizedCrop` to the size of the view: a crop of a drawn height, in pixels."""

    how: ClassVar[str] = GEOMETRY

    p: float
    heights: tuple[int, int]
    proportion: float
    sampling: Sampling

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, the height, the place."""
        if happens(self.p, stream, force):
            width, height = canvas.width, canvas.height
            drawn = stream.python.randint(*self.heights)
            across, down = min(int(drawn * self.proportion), width), min(drawn, height)
            row, column = stream.python.random(), stream.python.random()
            box = _placed(across, down, width, height, row, column)
            canvas.warp(crop_to_frame(box, width, height), self.sampling)
            applied.append(f'["RandomSizedCrop",{{"crop_coords":{list(box)}}}]')


def _placed(
    across: int, down: int, width: int, height: int, row: float, column: float
) -> tuple[int, int, int, int]:
    """A crop of `across` by `down` pixels; `row` and `column`, in [0, 1), say where."""
    top, left = int((height - down + 1) * row), int((width - across + 1) * column)
    return left, top, left + across, top + down


# --- from the serialised form -------------------------------------------------------------------

Node = Mapping[str, Any]


def flip_step(node: Node) -> Step:
    """`HorizontalFlip`, `VerticalFlip` or `Transpose`."""
    name = str(node["__class_fullname__"])
    how = {"HorizontalFlip": "h", "VerticalFlip": "v", "Transpose": "t"}[name]
    return Flip(name, float(node["p"]), how)


def dihedral_step(node: Node) -> Step:
    """`D4` or `SquareSymmetry`."""
    return Dihedral(str(node["__class_fullname__"]), float(node["p"]))


def rotate90_step(node: Node) -> Step:
    """`RandomRotate90`."""
    return Rotate90(float(node["p"]))


def rotate_step(node: Node) -> Step | None:
    """`Rotate`; None when it crops its borders."""
    if node["crop_border"]:
        return None
    return Rotate(float(node["p"]), _pair(node["limit"]), _sampling(node))


def affine_step(node: Node) -> Step | None:
    """`Affine`; None for the options that no one view needs."""
    if node["fit_output"] or node["balanced_scale"]:
        return None
    pixels, parts = node["translate_px"], node["translate_percent"]
    return Affine(
        name="Affine",
        p=float(node["p"]),
        shift_px=None if pixels is None else (_whole(pixels["x"]), _whole(pixels["y"])),
        shift=None if parts is None else _both(parts),
        shear=_both(node["shear"]),
        scale=_both(node["scale"]),
        keep_ratio=bool(node["keep_ratio"]),
        rotate=_pair(node["rotate"]),
        sampling=_sampling(node),
    )


def shift_scale_rotate_step(node: Node) -> Step:
    """`ShiftScaleRotate`, which is an `Affine`; its scale is recorded less one."""
    low, high = _pair(node["scale_limit"])
    scale = (low + 1.0, high + 1.0)
    return Affine(
        name="ShiftScaleRotate",
        p=float(node["p"]),
        shift_px=None,
        shift=(_pair(node["shift_limit_x"]), _pair(node["shift_limit_y"])),
        shear=((0.0, 0.0), (0.0, 0.0)),
        scale=(scale, scale),
        keep_ratio=False,
        rotate=_pair(node["rotate_limit"]),
        sampling=_sampling(node),
    )


def resized_crop_step(node: Node) -> Step:
    """`RandomResizedCrop`; its size is the view's, or the policy is refused."""
    sampling = Sampling(int(node["interpolation"]), cv2.BORDER_REPLICATE, (0.0, 0.0, 0.0))
    return ResizedCrop(float(node["p"]), _pair(node["scale"]), _pair(node["ratio"]), sampling)


def sized_crop_step(node: Node) -> Step:
    """`RandomSizedCrop`; its size is the view's, or the policy is refused."""
    sampling = Sampling(int(node["interpolation"]), cv2.BORDER_REPLICATE, (0.0, 0.0, 0.0))
    low, high = node["min_max_height"]
    return SizedCrop(float(node["p"]), (int(low), int(high)), float(node["w2h_ratio"]), sampling)


def _sampling(node: Node) -> Sampling:
    return Sampling(int(node["interpolation"]), int(node["border_mode"]), fill_of(node["fill"]))


def _both(ranges: Mapping[str, Any]) -> tuple[Range, Range]:
    return _pair(ranges["x"]), _pair(ranges["y"])


def _pair(values: Any) -> Range:
    low, high = values
    return float(low), float(high)


def _whole(values: Any) -> tuple[int, int]:
    low, high = values
    return int(low), int(high)

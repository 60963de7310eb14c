"""Affine maps of pictures: composed exactly, before anything is resampled.

A map takes a point (x, y) of the picture before to where it lies after; pixel centres are whole
numbers. It is six numbers (a, b, c, d, e, f): x' = a x + b y + c, y' = d x + e y + f.
"""

from __future__ import annotations

import math

Map = tuple[float, float, float, float, float, float]

IDENTITY: Map = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def compose(second: Map, first: Map) -> Map:
    """The map that does `first`, then `second`."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = second
    return (
        p * a + q * d,
        p * b + q * e,
        p * c + q * f + r,
        s * a + t * d,
        s * b + t * e,
        s * c + t * f + u,
    )


def inverse(forward: Map) -> Map:
    """The map back.

    Raises:
        ZeroDivisionError: `forward` flattens pictures.
    """
    a, b, c, d, e, f = forward
    scale = 1.0 / (a * e - b * d)
    p, q, s, t = e * scale, -b * scale, -d * scale, a * scale
    return p, q, -(p * c + q * f), s, t, -(s * c + t * f)


def around_center(
    width: int,
    height: int,
    *,
    degrees: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    shear_degrees: tuple[float, float] = (0.0, 0.0),
    shift: tuple[float, float] = (0.0, 0.0),
) -> Map:
    """Scale, then rotate (counter-clockwise), then shear about the centre, then shift, in pixels.

    As albumentations composes them in `create_affine_transformation_matrix`.
    """
    angle = math.radians(degrees % 360)
    cosine, sine = math.cos(angle), math.sin(angle)
    scale_x, scale_y = scale
    a, b, d, e = cosine * scale_x, sine * scale_y, -sine * scale_x, cosine * scale_y
    if shear_degrees != (0.0, 0.0):
        across = math.tan(math.radians(shear_degrees[0]))
        down = math.tan(math.radians(shear_degrees[1]))
        a, b, d, e = a + across * d, b + across * e, down * a + d, down * b + e
    x, y = width / 2 - 0.5, height / 2 - 0.5
    return a, b, x + shift[0] - a * x - b * y, d, e, y + shift[1] - d * x - e * y


def crop_to_frame(box: tuple[int, int, int, int], width: int, height: int) -> Map:
    """The part `box` (left, top, right, bottom, in pixels) stretched over the whole frame."""
    left, top, right, bottom = box
    across, down = width / (right - left), height / (bottom - top)
    return across, 0.0, across * (0.5 - left) - 0.5, 0.0, down, down * (0.5 - top) - 0.5


def reach(backward: Map, width: int, height: int) -> tuple[float, float, float, float]:
    """(left, top, right, bottom): the bounds of what a frame of this size shows of the source."""
    a, b, c, d, e, f = backward
    right, bottom = width - 1, height - 1
    ar, bb, dr, eb = a * right, b * bottom, d * right, e * bottom
    return (
        c + min(ar, 0.0) + min(bb, 0.0),
        f + min(dr, 0.0) + min(eb, 0.0),
        c + max(ar, 0.0) + max(bb, 0.0),
        f + max(dr, 0.0) + max(eb, 0.0),
    )


# The eight symmetries of a square, by albumentations' names; `width` and `height` in pixels.


def symmetry(name: str, width: int, height: int) -> Map:
    """The symmetry `name`: e, h, v, t (transpose), hvt (transpose over the other diagonal),
    r90, r180 or r270 (counter-clockwise)."""
    right, bottom = float(width - 1), float(height - 1)
    return {
        "e": IDENTITY,
        "h": (-1.0, 0.0, right, 0.0, 1.0, 0.0),
        "v": (1.0, 0.0, 0.0, 0.0, -1.0, bottom),
        "r180": (-1.0, 0.0, right, 0.0, -1.0, bottom),
        "t": (0.0, 1.0, 0.0, 1.0, 0.0, 0.0),
        "hvt": (0.0, -1.0, bottom, -1.0, 0.0, right),
        "r90": (0.0, 1.0, 0.0, -1.0, 0.0, right),
        "r270": (0.0, -1.0, bottom, 1.0, 0.0, 0.0),
    }[name]


SYMMETRIES = ("e", "r90", "r180", "r270", "v", "hvt", "h", "t")
"""In the order of albumentations' `d4_group_elements`, from which D4 draws."""

"""What the residual policy does to pixels: whole batches, on the device that holds them.

`images` are uint8 RGB (B, 3, H, W), 0..255, in channels_last memory, which results keep. What is
best done image by image on a CPU (a gather there takes 15 to 30 times as long) is best done at once
elsewhere, where every small operation costs a launch; the pixels are the same.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch

from augcli.train.residual_draws import Box, Floats

GREY = 128
"""What normalises nearest to 0, with `step.MEAN`."""


def move(
    images: torch.Tensor,
    flips: npt.NDArray[np.bool_],
    down: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
) -> torch.Tensor:
    """Each image mirrored where `flips`, then read `down` rows and `right` columns further.

    Beyond the border the image is reflected, its last row or column not repeated; shifts are less
    than half of a side. A batch in which nothing moves is returned as it is, not copied.
    """
    if not (flips.any() or down.any() or right.any()):
        return images
    if images.device.type == "cpu":
        return _move_each(images, flips, down, right)
    return move_together(images, flips, down, right)


def _move_each(
    images: torch.Tensor,
    flips: npt.NDArray[np.bool_],
    down: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
) -> torch.Tensor:
    """`move` in memory: nearly all of it is copying rows of pixels."""
    result = torch.empty_like(images, memory_format=torch.channels_last)
    given, moved = images.permute(0, 2, 3, 1).numpy(), result.permute(0, 2, 3, 1).numpy()
    for row, (flip, y, x) in enumerate(zip(flips, down.tolist(), right.tolist(), strict=True)):
        pixels = cv2.flip(given[row], 1) if flip else given[row]
        kept = pixels[max(y, 0) : len(pixels) + min(y, 0), max(x, 0) : pixels.shape[1] + min(x, 0)]
        borders = max(-y, 0), max(y, 0), max(-x, 0), max(x, 0)
        cv2.copyMakeBorder(kept, *borders, cv2.BORDER_REFLECT_101, dst=moved[row])
    return result


def move_together(
    images: torch.Tensor,
    flips: npt.NDArray[np.bool_],
    down: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
) -> torch.Tensor:
    """`move` in one gather."""
    height, width = images.shape[2:]
    drawn = torch.from_numpy(np.stack([flips, down, right])).to(images.device)
    flip, y, x = drawn[:, :, None]
    rows = _reflected(torch.arange(height, device=images.device) + y, height)
    columns = _reflected(torch.arange(width, device=images.device) + x, width)
    columns = torch.where(flip == 1, width - 1 - columns, columns)
    each = torch.arange(len(images), device=images.device)[:, None, None]
    pixels = images.permute(0, 2, 3, 1)
    return pixels[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _reflected(places: torch.Tensor, side: int) -> torch.Tensor:
    """Places from -side + 1 to 2 * side - 2, folded into 0..side - 1."""
    places = places.abs()
    return torch.where(places < side, places, 2 * (side - 1) - places)


def recolour(images: torch.Tensor, matrices: Floats) -> torch.Tensor:
    """Each pixel's R, G, B and 1 times its image's matrix of (B, 3, 4), rounded, cut to 0..255."""
    if images.device.type == "cpu":
        return _recolour_each(images, matrices)
    return recolour_together(images, matrices)


def _recolour_each(images: torch.Tensor, matrices: Floats) -> torch.Tensor:
    """`recolour` in memory."""
    result = torch.empty_like(images, memory_format=torch.channels_last)
    given, coloured = images.permute(0, 2, 3, 1).numpy(), result.permute(0, 2, 3, 1).numpy()
    for row, matrix in enumerate(matrices):
        cv2.transform(given[row], matrix, dst=coloured[row])
    return result


def recolour_together(images: torch.Tensor, matrices: Floats) -> torch.Tensor:
    """`recolour` of all images at once."""
    drawn = torch.from_numpy(matrices.astype(np.float32)).to(images.device)
    pixels = images.permute(0, 2, 3, 1).to(torch.float32)
    coloured = pixels @ drawn[:, None, :, :3].mT + drawn[:, None, None, :, 3]
    return coloured.round_().clamp_(0, 255).to(torch.uint8).permute(0, 3, 1, 2)


def erase_(images: torch.Tensor, boxes: list[tuple[int, Box]]) -> torch.Tensor:
    """`images` with those boxes in grey, in place."""
    for row, box in boxes:
        images[row, :, box.top : box.bottom, box.left : box.right] = GREY
    return images


def paste_(images: torch.Tensor, box: Box) -> torch.Tensor:
    """`images` with the box of each image's partner, the one before it, in place."""
    inside = images[:, :, box.top : box.bottom, box.left : box.right]
    inside.copy_(inside.roll(1, 0))
    return images


def blend(images: torch.Tensor, share: float) -> torch.Tensor:
    """`share` of each image and the rest of its partner, the one before it: float32, 0..255."""
    if images.device.type == "cpu":
        return _blend_each(images, share)
    return blend_together(images, share)


def _blend_each(images: torch.Tensor, share: float) -> torch.Tensor:
    """`blend` in memory: one image stays in a core's cache, whose neighbours loaders may keep busy.

    Written so that rounding never leaves what lies between the two pixels.
    """
    result = torch.empty_like(images, dtype=torch.float32, memory_format=torch.channels_last)
    given, blended = images.permute(0, 2, 3, 1).numpy(), result.permute(0, 2, 3, 1).numpy()
    for row, image in enumerate(given):
        partner, out = given[row - 1], blended[row]
        np.subtract(image, partner, out=out, dtype=np.float32)
        out *= np.float32(share)
        out += partner
    return result


def blend_together(images: torch.Tensor, share: float) -> torch.Tensor:
    """`blend` of all images at once."""
    pixels = images.to(torch.float32, memory_format=torch.channels_last)
    partners = pixels.roll(1, 0).contiguous(memory_format=torch.channels_last)
    return torch.lerp(partners, pixels, share)

"""Zooms, turns, moves and flips as one matrix an image, and whole batches resampled by it.

Images are read once, straight at the size that is wanted, so that nothing is blurred twice.
A matrix (2, 3) maps (column, row, 1) of a pixel's centre in the result to where it is read from.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from augcli.train.residual_draws import Floats

Size = tuple[int, int]
"""(height, width) in pixels."""


def affine_matrices(
    drawn: Floats,
    flips: npt.NDArray[np.bool_],
    down: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    given: Size,
    size: Size,
) -> Floats:
    """(B, 2, 3) for images of the size `given` that become `size`.

    They are zoomed and turned about their middle as in `drawn` (see `draw_affine`), moved, then
    mirrored where `flips` and read `down` rows and `right` columns further, as `move` does.
    """
    zoom, turn, moved_down, moved_right = drawn
    mirror = np.where(flips, -1.0, 1.0)
    across, along = given[1] / size[1] * mirror / zoom, given[0] / size[0] / zoom
    cosine, sine = np.cos(turn), np.sin(turn)
    linear = np.stack([cosine * across, -sine * along, sine * across, cosine * along], axis=1)
    linear = linear.reshape(-1, 2, 2)
    middle = [(given[1] - 1) / 2, (given[0] - 1) / 2]
    offset = np.stack([moved_right * given[1] + mirror * right, moved_down * given[0] + down], 1)
    start = linear @ np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    return np.concatenate([linear, (middle + offset - start)[:, :, None]], axis=2)


def warp(images: torch.Tensor, matrices: Floats, size: Size) -> torch.Tensor:
    """uint8 RGB (B, 3, H, W) -> (B, 3, *size), linear between pixels, in channels_last memory.

    Beyond the border the image is reflected, its last row or column not repeated. Devices round
    differently, by 1 of 255.
    """
    if images.device.type == "cpu":
        return _warp_each(images, matrices, size)
    return warp_together(images, matrices, size)


def _warp_each(images: torch.Tensor, matrices: Floats, size: Size) -> torch.Tensor:
    """`warp` in memory."""
    result = torch.empty(
        (len(images), 3, *size), dtype=torch.uint8, memory_format=torch.channels_last
    )
    given, warped = images.permute(0, 2, 3, 1).numpy(), result.permute(0, 2, 3, 1).numpy()
    for row, matrix in enumerate(matrices):
        cv2.warpAffine(
            np.ascontiguousarray(given[row]),
            matrix,
            (size[1], size[0]),
            dst=warped[row],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
    return result


def warp_together(images: torch.Tensor, matrices: Floats, size: Size) -> torch.Tensor:
    """`warp` of all images at once."""
    height, width = images.shape[2:]
    grid = _grid(torch.from_numpy(matrices).to(images.device), size)
    sides = torch.tensor([max(1, width - 1), max(1, height - 1)], device=images.device)
    pixels = functional.grid_sample(
        images.to(torch.float32, memory_format=torch.channels_last),
        (2 * grid / sides - 1).to(torch.float32),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=True,  # -1 and 1 are then centres of pixels, about which is reflected
    )
    return pixels.round_().to(torch.uint8).contiguous(memory_format=torch.channels_last)


def _grid(matrices: torch.Tensor, size: Size) -> torch.Tensor:
    """(B, *size, 2): the column and row from which each pixel of the results is read."""
    rows, columns = (torch.arange(side, device=matrices.device) for side in size)
    places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    linear, offset = matrices[:, None, None, :, :2], matrices[:, None, None, :, 2]
    return (linear @ places[None, :, :, :, None].to(matrices.dtype))[..., 0] + offset

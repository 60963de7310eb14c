"""Strips: every step of a policy alone and for sure, with what was drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from augcli.augment.decode import Pixels
from augcli.augment.panels import UNCHANGED, Row
from augcli.augment.policy import resolve_policy
from augcli.augment.policy_serial import normalized
from augcli.augment.presets import PRESETS
from augcli.augment.strips import steps_of, strip_rows

SIZE, DRAWS = 40, 4


def photo() -> Pixels:
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    noise = np.random.default_rng(5).normal(0, 8, (SIZE, SIZE, 3))
    image = np.stack([x * 5, y * 5, (x + y) * 2], axis=2) + noise
    pixels: Pixels = np.clip(image, 0, 255).astype(np.uint8)
    return pixels


PHOTO = photo()


def node(name: str, p: float = 0.01, **arguments: Any) -> dict[str, Any]:
    return {"__class_fullname__": name, "p": p, **arguments}


def serialized(*nodes: dict[str, Any]) -> dict[str, Any]:
    return normalized({"transform": {"__class_fullname__": "Compose", "transforms": [*nodes]}})


def rows(*nodes: dict[str, Any], key: str = "key", seed: int = 0) -> list[Row]:
    return strip_rows(serialized(*nodes), PHOTO, key, seed, DRAWS)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset(name: str) -> None:
    spec = resolve_policy(name, SIZE)
    strips = strip_rows(spec.serialized, PHOTO, "key", 0, DRAWS)
    assert tuple(row.label for row in strips) == spec.build().transform_names
    for row in strips:
        shown = [tile.pixels for tile in row.tiles]
        assert 1 <= len(shown) <= DRAWS
        assert len({pixels.tobytes() for pixels in shown}) == len(shown)
        assert any(not np.array_equal(pixels, PHOTO) for pixels in shown)
        assert all(pixels.shape == PHOTO.shape for pixels in shown)
        for tile in row.tiles:
            assert (UNCHANGED in tile.caption) == np.array_equal(tile.pixels, PHOTO)
            assert [step for step, _ in tile.applied] == [row.label]


def test_what_is_rare_is_seen() -> None:
    (row,) = rows(node("VerticalFlip", p=0.0))
    assert row.note == "p 0"
    assert len(row.tiles) == 1
    assert np.array_equal(row.tiles[0].pixels, PHOTO[::-1])


def test_what_changes_nothing_is_told() -> None:
    (row,) = rows(node("NoOp"))
    assert [tile.caption for tile in row.tiles] == [f"({UNCHANGED})"]


def test_compositions_come_before_their_own() -> None:
    steps = steps_of(
        serialized(
            node(
                "OneOf",
                p=0.5,
                transforms=[
                    node("Sequential", transforms=[node("ToGray"), node("InvertImg", p=0.7)]),
                    node("HorizontalFlip"),
                ],
            ),
            node("VerticalFlip"),
        )
    )
    assert [(step.label, step.depth) for step in steps] == [
        ("OneOf", 0),
        ("Sequential", 1),
        ("ToGray", 2),
        ("InvertImg", 2),
        ("HorizontalFlip", 1),
        ("VerticalFlip", 0),
    ]
    assert steps[0].note == "p 0.5: one of its 2"
    assert steps[3].note == "p 0.7"


@pytest.mark.parametrize("name", ["OneOf", "OneOrOther", "RandomOrder", "SomeOf"])
def test_a_composition_shows_each_of_its_own(name: str) -> None:
    flips = [node("HorizontalFlip", p=0.5), node("VerticalFlip", p=0.5)]
    row = rows(node(name, p=0.4, transforms=flips))[0]
    shown = {tile.pixels.tobytes() for tile in row.tiles}
    assert {PHOTO[:, ::-1].tobytes(), PHOTO[::-1].tobytes()} <= shown


def test_a_composition_tells_what_it_chose() -> None:
    row = rows(node("OneOf", transforms=[node("HorizontalFlip"), node("VerticalFlip")]))[0]
    assert {tile.caption for tile in row.tiles} == {"HorizontalFlip", "VerticalFlip"}


def test_draws_depend_on_key_seed_and_place_only() -> None:
    jitter = node("RandomGamma", p=1.0)

    def first(*nodes: dict[str, Any], **which: Any) -> list[bytes]:
        return [row.tiles[0].pixels.tobytes() for row in rows(*nodes, **which)]

    assert first(jitter) == first(jitter)
    draws = [*first(jitter, jitter), *first(jitter, key="other"), *first(jitter, seed=1)]
    assert len(set(draws)) == 4


def test_the_image_is_not_changed() -> None:
    before = PHOTO.copy()
    rows(node("Erasing", p=1.0), node("InvertImg"))
    assert np.array_equal(before, PHOTO)

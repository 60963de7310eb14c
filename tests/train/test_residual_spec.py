"""`--residual` as a text: what is taken, what is refused, and what is written back."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys

import pytest

from augcli.manifests.errors import UsageError
from augcli.train.residual_spec import SHIFT_BY_SIDE, TRANSFORMS, ResidualSpec, parse_residual


def test_names_alone_have_their_defaults() -> None:
    assert parse_residual("flip,shift,affine,colour,erase,mixup,cutmix") == ResidualSpec(
        flip=True,
        shift_pixels=SHIFT_BY_SIDE,
        affine_strength=0.15,
        colour_strength=0.2,
        erase_probability=0.25,
        mixup_alpha=0.2,
        cutmix_alpha=1.0,
    )


def test_amounts() -> None:
    spec = parse_residual("shift=2,erase=1,mixup=.4,cutmix=5e-1")
    assert spec == ResidualSpec(
        shift_pixels=2, erase_probability=1.0, mixup_alpha=0.4, cutmix_alpha=0.5
    )
    assert type(spec.shift_pixels) is int
    assert type(spec.erase_probability) is float


@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_is_not_named_is_not_asked_for(name: str) -> None:
    asked = dataclasses.asdict(parse_residual(name))
    assert [field for field, value in asked.items() if value not in (None, False)] or (
        asked["shift_pixels"] == SHIFT_BY_SIDE
    )
    others = {k: v for k, v in asked.items() if k != TRANSFORMS[name].field}
    assert all(value is None or value is False for value in others.values())


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("flip", "flip"),
        ("cutmix,flip", "flip,cutmix=1.0"),
        (" mixup = 0.20 , shift , erase", "shift,erase=0.25,mixup=0.2"),
        ("shift=007,erase=1", "shift=7,erase=1.0"),
        ("colour=0.10,affine", "affine=0.15,colour=0.1"),
        ("mixup=1E-05", "mixup=1e-05"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(parse_residual(text)) == canonical


def test_the_canonical_text_says_the_same_whatever_the_order() -> None:
    parts = ["flip", "shift=3", "erase=0.125", "mixup", "cutmix=0.3"]
    for count in range(1, 6):
        for chosen in itertools.permutations(parts, count):
            spec = parse_residual(",".join(chosen))
            assert parse_residual(str(spec)) == spec
            assert str(spec) == str(parse_residual(",".join(reversed(chosen))))


@pytest.mark.parametrize("text", ["rotate", "flip,rotate=3", "Flip", "flip;shift", "flip shift"])
def test_unknown_names_list_the_choices(text: str) -> None:
    expected = rf"--residual: unknown transform '.+': choose from {', '.join(TRANSFORMS)}$"
    with pytest.raises(UsageError, match=expected):
        parse_residual(text)


@pytest.mark.parametrize("text", ["", " ", ",", "flip,", ",flip", "flip,,shift", "=2"])
def test_missing_names(text: str) -> None:
    with pytest.raises(UsageError, match="--residual: a name is missing: choose from flip"):
        parse_residual(text)


@pytest.mark.parametrize("text", ["flip,flip", "mixup=0.2,flip,mixup", "shift=1, shift=2"])
def test_duplicates(text: str) -> None:
    with pytest.raises(UsageError, match=r"--residual .*: (flip|mixup|shift) is there twice"):
        parse_residual(text)


@pytest.mark.parametrize("amount", ["", "0", "-1", "nan", "inf", "1e999", "1_0", "x", "0x1", "١"])
@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "flip"])
def test_bad_amounts_are_named(name: str, amount: str) -> None:
    expected = f"--residual {name}={amount}: expected {TRANSFORMS[name].expected}"
    with pytest.raises(UsageError) as caught:
        parse_residual(f"flip,{name}={amount}")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "part",
    [
        "shift=2.0",
        "shift=1e1",
        "shift=99999999",
        "erase=1.01",
        "affine=1.1",
        "colour=2",
        "mixup=100.5",
        "cutmix=1=2",
    ],
)
def test_amounts_out_of_bounds(part: str) -> None:
    with pytest.raises(UsageError, match=f"--residual {part}: expected"):
        parse_residual(part)


def test_a_flip_takes_no_amount() -> None:
    for part in ("flip=0.5", "flip="):
        with pytest.raises(UsageError, match=f"--residual {part}: it takes no amount"):
            parse_residual(part)


def test_any_text_can_be_shown() -> None:
    with pytest.raises(UsageError, match="--residual") as caught:
        parse_residual("erase=\udce9")
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("size", "limits"),
    [
        ((224, 224), (14, 14)),
        ((32, 32), (2, 2)),
        ((31, 64), (1, 4)),
        ((8, 8), (1, 1)),
        ((2, 3), (0, 1)),
        ((1, 1), (0, 0)),
    ],
)
def test_shifts_are_a_sixteenth_of_each_side(
    size: tuple[int, int], limits: tuple[int, int]
) -> None:
    assert parse_residual("shift").shift_limits(*size) == limits
    assert parse_residual("flip").shift_limits(*size) == (0, 0)


def test_shifts_are_less_than_half_of_a_side() -> None:
    assert parse_residual("shift=15").shift_limits(64, 31) == (15, 15)
    expected = r"--residual shift=16: is too large for images of 31 x 64 pixels: at most 15"
    with pytest.raises(UsageError, match=expected):
        parse_residual("shift=16").shift_limits(64, 31)


def test_reading_the_option_needs_nothing_heavy() -> None:
    code = "import sys, augcli.train.residual_spec; print({'torch', 'numpy'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"

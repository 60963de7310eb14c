"""The canvas: what waits, what is joined, what is carried out when, and who owns the pixels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from augcli.augment.affine import SYMMETRIES, Map, around_center, compose, crop_to_frame, symmetry
from augcli.augment.canvas import Canvas, Sampling, fill_of
from augcli.augment.decode import Pixels
from augcli.augment.frame import Frame, rgb_of, rgbx_of

HEIGHT, WIDTH = 30, 44
BLACK = (0.0, 0.0, 0.0)
CONSTANT = Sampling(cv2.INTER_LINEAR, cv2.BORDER_CONSTANT, (10.0, 20.0, 250.0))
REFLECT = Sampling(cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101, BLACK)
INVERTED = np.arange(255, -1, -1).astype(np.uint8)
HALVED = (np.arange(256) // 2).astype(np.uint8)
PER_CHANNEL = np.stack([INVERTED, HALVED, INVERTED // 3, HALVED], axis=1)
ROTATED = around_center(WIDTH, HEIGHT, degrees=30)
ZOOMED = around_center(WIDTH, HEIGHT, degrees=5, scale=(1.6, 1.8))


def picture(height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (5, 5), 0), np.uint8)


@pytest.fixture
def frame() -> Frame:
    """Its pixels are read-only: nothing may write into them."""
    made = Frame(rgbx_of(picture()))
    made.pixels.flags.writeable = False
    return made


@pytest.fixture
def canvas(frame: Frame) -> Canvas:
    made = Canvas()
    made.start(frame)
    return made


@pytest.fixture
def warps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Map]]:
    """Every resampling that is carried out."""
    seen: list[Map] = []
    original = cv2.warpAffine

    def spy(
        source: Pixels,
        matrix: npt.NDArray[np.float64],
        size: tuple[int, int],
        dst: Pixels | None = None,
        *args: object,
        **named: object,
    ) -> Pixels:
        if dst is not None:  # the canvas' own, not `warped`
            assert not np.shares_memory(source, dst)
            seen.append(tuple(matrix.ravel()))  # type: ignore[arg-type]
        return original(source, matrix, size, dst, *args, **named)  # type: ignore[arg-type,call-overload,return-value]

    monkeypatch.setattr(cv2, "warpAffine", spy)
    yield seen


def warped(rgb: Pixels, how: Map, sampling: Sampling) -> Pixels:
    """The resampling by itself, straight from OpenCV."""
    matrix = np.reshape(how, (2, 3))
    size = rgb.shape[1::-1]
    flags, border, fill = sampling
    return cv2.warpAffine(rgb, matrix, size, flags=flags, borderMode=border, borderValue=fill)


def apart(first: Pixels, second: Pixels) -> int:
    return int(np.abs(first.astype(int) - second).max())


# ---- who owns the pixels


def test_nothing_drawn_is_the_frame_itself(canvas: Canvas, frame: Frame) -> None:
    assert canvas.pixels() is frame.pixels


def test_rgb_is_the_callers_own(canvas: Canvas, frame: Frame) -> None:
    before = frame.pixels.tobytes()
    canvas.rgb()[:] = 0
    assert frame.pixels.tobytes() == before
    canvas.translate(INVERTED)
    expected = 255 - picture()
    canvas.rgb()[:] = 0
    assert (rgb_of(canvas.pixels()) == expected).all()


ACTIONS: dict[str, Callable[[Canvas], None]] = {
    "turn": lambda c: c.turn(symmetry("r90", c.width, c.height)),
    "flip": lambda c: c.turn(symmetry("h", c.width, c.height)),
    "rotate": lambda c: c.warp(around_center(c.width, c.height, degrees=9), REFLECT),
    "fill": lambda c: c.warp(around_center(c.width, c.height, degrees=9), CONSTANT),
    "zoom": lambda c: c.warp(around_center(c.width, c.height, scale=(2, 2)), REFLECT),
    "table": lambda c: c.translate(INVERTED),
    "tables": lambda c: c.translate(PER_CHANNEL),
    "paint": lambda c: c.paint(255 - c.rgb()),
}


def at_once(canvas: Canvas, action: str) -> None:
    """The same with nothing left waiting: each action ends in pixels and starts from them."""
    ACTIONS[action](canvas)
    canvas.paint(canvas.rgb())


@pytest.mark.parametrize("number", range(60))
def test_what_waits_ends_like_what_does_not(number: int, frame: Frame) -> None:
    """Any actions in any order; the only thing that may show is one resampling for several."""
    rng = np.random.default_rng(number)
    chosen = [str(name) for name in rng.choice(list(ACTIONS), int(rng.integers(1, 8)))]
    late, early = Canvas(), Canvas()
    before = frame.pixels.tobytes()
    for _ in range(2):  # the second time in buffers that have been used
        late.start(frame)
        early.start(frame)
        for action in chosen:
            ACTIONS[action](late)
            at_once(early, action)
            assert (late.width, late.height) == (early.width, early.height)
        found, wanted = rgb_of(late.pixels()), rgb_of(early.pixels())
        assert found.shape == wanted.shape
        difference = np.abs(found.astype(int) - wanted)
        if "zoom" in chosen:
            assert np.median(difference) <= 6, chosen
        else:
            assert difference.max() <= 2 * len(chosen), chosen
    assert frame.pixels.tobytes() == before


def test_a_view_lasts_until_the_next_start(frame: Frame) -> None:
    canvas, other = Canvas(), Canvas()
    canvas.start(frame)
    canvas.translate(INVERTED)
    view = canvas.pixels()
    kept = view.copy()
    assert (canvas.pixels() == kept).all()
    other.start(frame)
    other.warp(ROTATED, REFLECT)
    other.pixels()
    assert (view == kept).all()


def test_frames_of_other_sizes_find_other_buffers() -> None:
    canvas = Canvas()
    for height, width in ((30, 44), (44, 30), (8, 8), (30, 44), (1, 5)):
        image = picture(height, width)
        canvas.start(Frame(rgbx_of(image)))
        canvas.turn(symmetry("t", width, height))
        canvas.translate(INVERTED)
        assert (rgb_of(canvas.pixels()) == 255 - image.transpose(1, 0, 2)).all()


# ---- turns


@pytest.mark.parametrize("second", SYMMETRIES)
@pytest.mark.parametrize("first", SYMMETRIES)
def test_turns_move_pixels_and_change_none(
    first: str, second: str, canvas: Canvas, warps: list[Map]
) -> None:
    numpy = {
        "e": lambda p: p,
        "h": np.fliplr,
        "v": np.flipud,
        "t": lambda p: p.transpose(1, 0, 2),
        "hvt": lambda p: np.rot90(p, 2).transpose(1, 0, 2),
        "r90": np.rot90,
        "r180": lambda p: np.rot90(p, 2),
        "r270": lambda p: np.rot90(p, 3),
    }
    expected = picture()
    for name in (first, second):
        canvas.turn(symmetry(name, canvas.width, canvas.height))
        expected = numpy[name](expected)
        assert (canvas.height, canvas.width) == expected.shape[:2]
    canvas.translate(HALVED)
    assert (rgb_of(canvas.pixels()) == expected // 2).all()
    assert not warps


@pytest.mark.parametrize("name", SYMMETRIES)
@pytest.mark.parametrize("sampling", [CONSTANT, REFLECT])
def test_a_turn_joins_the_resampling(
    name: str, sampling: Sampling, canvas: Canvas, frame: Frame, warps: list[Map]
) -> None:
    canvas.turn(symmetry(name, canvas.width, canvas.height))
    how = around_center(canvas.width, canvas.height, degrees=20, scale=(0.9, 1.2), shift=(3, 1))
    canvas.warp(how, sampling)
    found = rgb_of(canvas.pixels())
    assert len(warps) == 1
    by_steps = Canvas()
    by_steps.start(frame)
    by_steps.turn(symmetry(name, WIDTH, HEIGHT))
    expected = warped(by_steps.rgb(), how, sampling)
    assert apart(found, expected) <= 1


# ---- resampling


@pytest.mark.parametrize("border", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("interpolation", [1, 2, 4])
def test_resampling_rgbx_is_resampling_rgb(border: int, interpolation: int, canvas: Canvas) -> None:
    sampling = Sampling(interpolation, border, (1.0, 99.0, 255.0))
    how = around_center(WIDTH, HEIGHT, degrees=-70, scale=(0.4, 0.8), shift=(5, -9))
    canvas.warp(how, sampling)
    assert apart(rgb_of(canvas.pixels()), warped(picture(), how, sampling)) <= 1


def test_maps_that_stay_inside_are_joined(canvas: Canvas, warps: list[Map]) -> None:
    """And it is the first that says what lies beyond the frame."""
    maps = [ROTATED, ZOOMED, symmetry("h", WIDTH, HEIGHT), crop_to_frame((3, 4, 31, 28), 44, 30)]
    canvas.warp(maps[0], CONSTANT)
    canvas.warp(maps[1], REFLECT)
    canvas.turn(maps[2])
    canvas.warp(maps[3], REFLECT)
    found = rgb_of(canvas.pixels())
    assert len(warps) == 1
    all_in_one = functools.reduce(lambda first, second: compose(second, first), maps)
    assert apart(found, warped(picture(), all_in_one, CONSTANT)) <= 1


SEPARATE: dict[str, list[Callable[[Canvas], None]]] = {
    "looks beyond the frame": [
        lambda c: c.warp(ZOOMED, CONSTANT),
        lambda c: c.warp(ROTATED, CONSTANT),
    ],
    "shifts": [
        lambda c: c.warp(ZOOMED, CONSTANT),
        lambda c: c.warp(around_center(WIDTH, HEIGHT, shift=(1, 0)), CONSTANT),
    ],
    "a table between": [
        lambda c: c.warp(ROTATED, CONSTANT),
        lambda c: c.translate(INVERTED),
        lambda c: c.warp(ZOOMED, CONSTANT),
    ],
    "another interpolation": [
        lambda c: c.warp(ROTATED, CONSTANT),
        lambda c: c.warp(ZOOMED, CONSTANT._replace(interpolation=cv2.INTER_CUBIC)),
    ],
    "seen between": [
        lambda c: c.warp(ROTATED, CONSTANT),
        lambda c: c.paint(c.rgb()),
        lambda c: c.warp(ZOOMED, CONSTANT),
    ],
}


@pytest.mark.parametrize("name", SEPARATE)
def test_maps_that_would_show_are_not_joined(
    name: str, canvas: Canvas, frame: Frame, warps: list[Map]
) -> None:
    for action in SEPARATE[name]:
        action(canvas)
    found = rgb_of(canvas.pixels())
    assert len(warps) == 2
    early = Canvas()
    early.start(frame)
    for action in SEPARATE[name]:
        action(early)
        early.paint(early.rgb())
    assert apart(found, rgb_of(early.pixels())) <= 1


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1)])
@pytest.mark.parametrize(("beyond", "joined"), [(0.0, True), (0.49, True), (0.51, False)])
def test_half_a_pixel_beyond_the_frame_is_the_limit(
    beyond: float, joined: bool, direction: tuple[int, int], canvas: Canvas, warps: list[Map]
) -> None:
    x, y = (beyond * part for part in direction)
    canvas.warp(ROTATED, CONSTANT)
    canvas.warp((1.0, 0.0, x, 0.0, 1.0, y), CONSTANT)
    canvas.pixels()
    assert len(warps) == (1 if joined else 2)


@pytest.mark.parametrize("table", [INVERTED, PER_CHANNEL])
def test_a_fill_is_seen_by_the_tables_after_it_only(
    table: npt.NDArray[np.uint8], frame: Frame
) -> None:
    channels = table[:, :3] if table.ndim == 2 else np.repeat(table[:, None], 3, axis=1)
    fill = np.array(CONSTANT.fill, int)
    corner = [(0, 0), (-1, -1)]
    after = Canvas()
    after.start(frame)
    after.warp(ROTATED, CONSTANT)
    after.translate(table)
    before = Canvas()
    before.start(frame)
    before.translate(table)
    before.warp(ROTATED, CONSTANT)
    for where in corner:
        assert (rgb_of(after.pixels())[where] == channels[fill, range(3)]).all()
        assert (rgb_of(before.pixels())[where] == fill).all()


# ---- beyond the edges: two ways, one picture


def reflected(frame: Frame, degrees: float, scale: float) -> Pixels:
    canvas = Canvas()
    canvas.start(frame)
    canvas.warp(around_center(WIDTH, HEIGHT, degrees=degrees, scale=(scale, scale)), REFLECT)
    return canvas.pixels().copy()


@pytest.mark.parametrize("border", [1, 2, 3, 4])
@pytest.mark.parametrize("interpolation", [0, 1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_the_extended_picture_shows_what_the_border_shows(
    border: int, interpolation: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    degrees, scale, x, y = rng.uniform((-180, 0.8, -4, -4), (180, 1.4, 4, 4))
    how = around_center(WIDTH, HEIGHT, degrees=degrees, scale=(scale, scale), shift=(x, y))
    views = {}
    for margin in (None, 0, 60):
        frame = Frame(rgbx_of(picture()))
        frame.margin = frame.margin if margin is None else margin
        canvas = Canvas()
        canvas.start(frame)
        canvas.warp(how, Sampling(interpolation, border, BLACK))
        views[margin] = rgb_of(canvas.pixels())
        assert bool(frame._extended) is (margin == 60) or margin is None
    for margin in (None, 60):
        difference = np.abs(views[margin].astype(int) - views[0])
        if interpolation == cv2.INTER_NEAREST:
            assert (difference > 0).mean() < 0.001
        else:
            assert difference.max() <= 1


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1)])
@pytest.mark.parametrize("interpolation", [1, 2, 4])
def test_no_shift_sees_the_end_of_the_extended_picture(
    direction: tuple[int, int], interpolation: int, canvas: Canvas, frame: Frame
) -> None:
    for pixels in range(frame.margin - 9, frame.margin + 5):
        x, y = (part * (pixels + 0.5) for part in direction)
        how = (1.0, 0.0, x, 0.0, 1.0, y)
        sampling = Sampling(interpolation, cv2.BORDER_WRAP, BLACK)
        canvas.start(frame)
        canvas.warp(how, sampling)
        assert apart(rgb_of(canvas.pixels()), warped(picture(), how, sampling)) <= 1, pixels
    assert frame._extended


def test_which_way_is_taken_depends_on_the_draw_only(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    original = Frame.extended
    monkeypatch.setattr(Frame, "extended", lambda f, b: (taken.append(1), original(f, b))[1])
    draws = [(0.0, 1.0), (3.0, 1.2), (30.0, 1.0), (44.0, 0.3), (90.0, 0.9), (180.0, 1.1)]
    frame, by_draw = Frame(rgbx_of(picture())), {}
    for draw in draws:
        taken.clear()
        by_draw[draw] = (reflected(frame, *draw).tobytes(), len(taken))
    assert {ways for _, ways in by_draw.values()} == {0, 1}
    for draw in reversed(draws):
        taken.clear()
        again = reflected(Frame(rgbx_of(picture())), *draw).tobytes()
        assert (again, len(taken)) == by_draw[draw]


def test_the_extended_picture_is_not_used_for_another_picture(canvas: Canvas, frame: Frame) -> None:
    """After a table, a turn or a warp was carried out, the frame's border is out of date."""
    for change in ("table", "flip", "rotate", "paint"):
        canvas.start(frame)
        canvas.warp(around_center(WIDTH, HEIGHT, degrees=5), REFLECT)
        canvas.pixels()
        assert frame._extended
        canvas.start(frame)
        ACTIONS[change](canvas)
        image = canvas.rgb()
        how = around_center(WIDTH, HEIGHT, degrees=9)
        canvas.warp(how, REFLECT)
        assert apart(rgb_of(canvas.pixels()), warped(image, how, REFLECT)) <= 1


# ---- tables


@pytest.mark.parametrize("first", [INVERTED, PER_CHANNEL])
@pytest.mark.parametrize("second", [HALVED, PER_CHANNEL[::-1].copy()])
def test_tables_join_in_their_order(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], canvas: Canvas
) -> None:
    expected = picture()
    for table in (first, second):
        canvas.translate(table)
        wide = table if table.ndim == 2 else np.repeat(table[:, None], 3, axis=1)
        expected = np.stack([wide[expected[:, :, i], i] for i in range(3)], axis=2)
    assert (rgb_of(canvas.pixels()) == expected).all()


# ---- fills


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, (7.0, 7.0, 7.0)),
        (1.5, (1.5, 1.5, 1.5)),
        ([1, 2, 3], (1.0, 2.0, 3.0)),
        ((9,), (9.0, 0.0, 0.0)),
        ([1, 2], (1.0, 2.0, 0.0)),
        ([1, 2, 3, 4], (1.0, 2.0, 3.0)),
    ],
)
def test_fills_are_read_as_opencv_reads_them(
    value: object, expected: tuple[float, float, float]
) -> None:
    assert fill_of(value) == expected


@pytest.mark.parametrize("value", ["red", None, [], [1, 2, 3, 4, 5], {"x": 1}])
def test_what_is_no_fill_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a number or three"):
        fill_of(value)

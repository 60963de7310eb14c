"""Mock galaxies: the embedded data set, drawn the way a survey telescope would record them.

`render` is pure: a class name and a generator's state decide every byte. A class draws a galaxy's
light in its own coordinates (`galaxy_light`); it never sees position, orientation, size, brightness
or sky, which `render` draws alike for all classes, so that only morphology tells them apart.

Lengths ending in `_px` are pixels of a SIZE-pixel image whatever the size rendered. Light is
float32 (3, H, W) in g, r, i; an image is uint8 (H, W, 3), RGB = (i, r, g), as in SDSS pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from augcli.augment import galaxy_light as gl
from augcli.augment.galaxy_camera import Exposure, expose, lupton_rgb
from augcli.augment.galaxy_light import Arms, DiscPlane, Encounter, Frame, Map, Points
from augcli.manifests.errors import UsageError

SIZE = 96  # pixels
OVERSAMPLING = 2  # a bulge's cusp and a thin disc need finer sampling than the detector's
STARS_PER_IMAGE, GALAXIES_PER_IMAGE = 3.0, 3.0  # means; both vary widely from field to field


@dataclass(frozen=True)
class DiscGalaxy:
    """Structure of a disc galaxy seen from above; lengths in half-light radii, light as shares."""

    bulge: float = 0.2
    bar: float = 0.0
    bar_length: float = 0.8
    ring: float = 0.0
    ring_radius: float = 1.0
    arm_contrast: float = 0.0  # 0 to 1
    dust: float = 0.0  # V-band optical depth on the arms
    age: float = 0.5  # 0 star-forming and blue, 1 old and yellow


def _mix(age: float, jitter: float = 0.0) -> tuple[float, float]:
    """Colours (g - r, r - i) in magnitudes between a young disc's and an old bulge's."""
    young, old = (0.30, 0.10), gl.OLD
    return young[0] + age * (old[0] - young[0]) + jitter, young[1] + age * (old[1] - young[1])


def _disc_galaxy(
    rng: np.random.Generator, frame: Frame, galaxy: DiscGalaxy, inclination_rad: float
) -> Map:
    """Light of disc, arms, ring, bar, dust, star-forming knots and bulge, in that order."""
    ratio = gl.apparent_axis_ratio(inclination_rad)
    plane = DiscPlane.seen_by(frame, ratio)
    bar_angle = gl.between(rng, 0, 2 * math.pi)
    arms = _draw_arms(rng, bar_angle, galaxy)
    texture = gl.spiral_texture(rng, plane, arms.pitch_rad, int(rng.integers(9, 26)))
    light = np.zeros((3, frame.size_px, frame.size_px), np.float32)
    _add_disc(rng, light, galaxy, plane, arms.ridge(plane, texture))
    if galaxy.ring > 0:
        _add_ring(rng, light, galaxy, plane, texture)
    if galaxy.bar > 0:
        shape = gl.bar(plane, bar_angle, galaxy.bar_length, gl.between(rng, 0.2, 0.38))
        gl.add(light, galaxy.bar, shape, _mix(0.85))
    if galaxy.dust > 0:
        lane = arms.ridge(plane, texture, lag_rad=0.9) * np.exp(-0.5 * plane.r)
        gl.redden(light, np.float32(galaxy.dust / ratio**0.5) * lane)
    _add_knots(rng, frame, light, galaxy, arms, ratio)
    round_ratio = 1 - (1 - ratio) * gl.between(rng, 0.2, 0.5)
    index, size = gl.between(rng, 1, 3.5), gl.between(rng, 0.15, 0.35)
    bulge = gl.sersic(*frame.axes(), index, size, round_ratio)
    gl.add(light, galaxy.bulge, bulge, _mix(min(1, galaxy.age + gl.between(rng, 0.2, 0.6))))
    return light


def _add_disc(
    rng: np.random.Generator, light: Map, galaxy: DiscGalaxy, plane: DiscPlane, ridge: Map
) -> None:
    """An exponential disc, brighter on the arms, and the arms' own young stars."""
    inner = 0.85 * galaxy.bar_length if galaxy.bar > 0 else gl.between(rng, 0.15, 0.4)
    ridge = ridge / (1 + (inner / plane.r) ** 6)
    contrast, share = galaxy.arm_contrast, 1 - galaxy.bulge - galaxy.bar - galaxy.ring
    smooth = gl.exponential_disc(plane.r, 0.6) * (1 - 0.75 * contrast + contrast * ridge)
    gl.add(light, share * (1 - 0.4 * contrast), smooth, _mix(galaxy.age, rng.normal(0, 0.05)))
    newborn = gl.exponential_disc(plane.r, 0.75) * ridge
    gl.add(light, share * 0.4 * contrast, newborn, _mix(galaxy.age - 0.75))


def _add_ring(
    rng: np.random.Generator, light: Map, galaxy: DiscGalaxy, plane: DiscPlane, texture: Map
) -> None:
    """A lumpy ring, younger than the disc and a little off the nucleus."""
    shift, side = gl.between(rng, 0, 0.12), gl.between(rng, 0, 2 * math.pi)
    band = plane.r + np.float32(shift) * np.cos(plane.phi - np.float32(side))
    shape = gl.ring(band, galaxy.ring_radius, gl.between(rng, 0.09, 0.2))
    shape *= np.exp(np.float32(gl.between(rng, 0.1, 0.5)) * texture)
    gl.add(light, galaxy.ring, shape, _mix(galaxy.age - gl.between(rng, 0.2, 0.9)))


def _draw_arms(rng: np.random.Generator, bar_angle: float, galaxy: DiscGalaxy) -> Arms:
    """Two to four arms; a barred galaxy's two start at the bar's ends."""
    pitch = math.radians(gl.between(rng, 9, 34))
    if galaxy.bar > 0.08:
        phase = 2 * (bar_angle - math.log(galaxy.bar_length) / math.tan(pitch))
        return Arms(2, pitch, phase, gl.between(rng, 1.5, 5), gl.between(rng, 0, 0.5))
    count = int(rng.choice([2, 3, 4], p=[0.6, 0.2, 0.2]))
    flocculence = float(rng.beta(0.8, 1.8))
    return Arms(count, pitch, gl.between(rng, 0, 2 * math.pi), gl.between(rng, 1, 4), flocculence)


def _add_knots(
    rng: np.random.Generator, frame: Frame, light: Map, galaxy: DiscGalaxy, arms: Arms, ratio: float
) -> None:
    """Star-forming regions on the arms and ring: few or none where the stars are old."""
    vigour = max(0.0, 1 - galaxy.age) * (galaxy.arm_contrast + 2 * galaxy.ring)
    inner = galaxy.bar_length if galaxy.bar > 0 else 0.4
    on_arms = arms.spots(rng, int(rng.poisson(60 * vigour)), inner, 2.2)
    around = rng.uniform(0, 2 * np.pi, int(rng.poisson(150 * galaxy.ring * (1 - galaxy.age))))
    on_ring = galaxy.ring_radius * np.exp(1j * around) * rng.normal(1, 0.06, around.size)
    points = np.concatenate([on_arms, on_ring]).astype(np.complex64)
    points.imag *= ratio
    flux = rng.pareto(1.6, points.size) + 0.3
    flux = np.minimum(flux, 8) * np.exp(-np.abs(points))
    pink = rng.random(points.size) < 0.35
    for chosen, colour in ((pink, gl.HII), (~pink, gl.YOUNG)):
        share = 0.14 * vigour * float(chosen.mean()) if points.size else 0.0
        gl.add(light, share, frame.splat(points[chosen], flux[chosen]), colour)


def _inclination(rng: np.random.Generator, most_degrees: float) -> float:
    """Radians; discs are tilted at random, hence uniform in the cosine."""
    return math.acos(gl.between(rng, math.cos(math.radians(most_degrees)), 1))


def elliptical(rng: np.random.Generator, frame: Frame) -> Map:
    """Sérsic spheroids of n = 1.5 to 4.5, E0 to E6; about one in four is a lenticular."""
    age = float(rng.beta(5, 1.3))
    if rng.random() < 0.25:
        lenticular = DiscGalaxy(bulge=gl.between(rng, 0.3, 0.65), age=age)
        return _disc_galaxy(rng, frame, lenticular, _inclination(rng, 74))
    x, y = frame.axes()
    index, ratio = gl.between(rng, 1.5, 4.5), 1 - 0.62 * float(rng.beta(1.2, 1.6))
    light = np.zeros((3, *x.shape), np.float32)
    boxy = gl.between(rng, 2.2, 2.6) if rng.random() < 0.2 else 2
    gl.add(light, 0.7, gl.sersic(x, y, index, 0.8, ratio, boxy), _mix(age))
    outer = gl.sersic(x, y, index, 1.1, ratio ** gl.between(rng, 0.5, 1.3))  # bluer, often rounder
    gl.add(light, 0.3, outer, _mix(age - 0.1))
    return light


def spiral(rng: np.random.Generator, frame: Frame) -> Map:
    """Sa to Sd, grand design to flocculent; some with a weak bar (SAB) or hardly any arms."""
    galaxy = DiscGalaxy(
        bulge=gl.log_between(rng, 0.03, 0.35),
        bar=gl.between(rng, 0.03, 0.09) if rng.random() < 0.25 else 0.0,
        bar_length=gl.between(rng, 0.35, 0.6),
        arm_contrast=gl.between(rng, 0.45, 1.0),
        dust=gl.between(rng, 0, 0.8),
        age=float(rng.beta(1.6, 1.8)),
    )
    return _disc_galaxy(rng, frame, galaxy, _inclination(rng, 66))


def barred_spiral(rng: np.random.Generator, frame: Frame) -> Map:
    """SBa to SBd; some with a ring around the bar, some bars weak."""
    galaxy = DiscGalaxy(
        bulge=gl.log_between(rng, 0.04, 0.25),
        bar=gl.between(rng, 0.14, 0.34),
        bar_length=gl.between(rng, 0.65, 1.2),
        ring=gl.between(rng, 0.03, 0.1) if rng.random() < 0.25 else 0.0,
        ring_radius=gl.between(rng, 1.0, 1.25),
        arm_contrast=gl.between(rng, 0.25, 1.0),
        dust=gl.between(rng, 0, 0.6),
        age=float(rng.beta(1.8, 1.6)),
    )
    return _disc_galaxy(rng, frame, galaxy, _inclination(rng, 58))


def ring(rng: np.random.Generator, frame: Frame) -> Map:
    """Resonance and collisional rings about a bulge or a small bar, with or without faint arms."""
    galaxy = DiscGalaxy(
        bulge=gl.between(rng, 0.1, 0.45),
        bar=gl.between(rng, 0.05, 0.15) if rng.random() < 0.3 else 0.0,
        bar_length=gl.between(rng, 0.5, 0.8),
        ring=gl.between(rng, 0.14, 0.4),
        ring_radius=gl.between(rng, 0.95, 1.6),
        arm_contrast=gl.between(rng, 0, 0.5),
        age=float(rng.beta(1.6, 1.6)),
    )
    return _disc_galaxy(rng, frame, galaxy, _inclination(rng, 66))


def edge_on(rng: np.random.Generator, frame: Frame) -> Map:
    """Discs within some 12 degrees of edge-on: thin or thick, warped, with and without dust."""
    x, z = frame.axes()
    warped = z - np.float32(rng.normal(0, 0.012)) * x * np.abs(x)
    scale, tilt = gl.between(rng, 0.5, 0.8), abs(rng.normal(0, 0.08))  # tilt: cosine of inclination
    height = scale * math.hypot(gl.log_between(rng, 0.12, 0.4), tilt)
    bulge_share, age = gl.log_between(rng, 0.02, 0.5), float(rng.beta(1.8, 1.4))
    light = np.zeros((3, *x.shape), np.float32)
    disc = gl.edge_on_disc(x, warped, scale, height)
    gl.add(light, 1 - bulge_share, disc, _mix(age, 0.1))
    young = gl.edge_on_disc(x, warped, 1.2 * scale, 0.5 * height)
    gl.add(light, 0.3 * (1 - age), young, _mix(age - 0.8))
    boxy = gl.between(rng, 2.3, 3) if rng.random() < 0.4 else 2
    size, index = gl.between(rng, 0.2, 0.45), gl.between(rng, 1, 3.5)
    bulge = gl.sersic(x, z, index, size, gl.between(rng, 0.5, 0.9), boxy)
    gl.add(light, bulge_share, bulge, _mix(min(1, age + 0.3)))
    if rng.random() < 0.6:
        near_side = warped - np.float32(0.7 * tilt * scale)
        lane = gl.edge_on_disc(x, near_side, 1.3 * scale, 0.4 * height)
        gl.redden(light, np.float32(gl.between(rng, 1, 6)) * lane)
    return light


def merger(rng: np.random.Generator, frame: Frame, stars: int = 1500) -> Map:
    """Pairs before, at and after their first passages: two nuclei, bridges, tidal tails."""
    ratio = gl.log_between(rng, 0.25, 1)
    meeting = Encounter(
        mass_ratio=ratio,
        pericentre=gl.between(rng, 0.5, 1.6),
        friction=gl.between(rng, 0, 0.35),
        duration=gl.between(rng, 2.6, 8),
    )
    discs = [gl.tilted_disc(rng, stars, meeting.softening, mass) for mass in (1, ratio)]
    start, later = meeting.track()[:2, :, :, None]
    velocity = (later - start) / np.float32(meeting.step)
    at, nuclei = meeting.stir(
        np.concatenate([disc[0] + start[k] for k, disc in enumerate(discs)], axis=1),
        np.concatenate([disc[1] + velocity[k] for k, disc in enumerate(discs)], axis=1),
    )
    tilt = cv2.Rodrigues(np.array([_inclination(rng, 65), 0, 0]))[0]
    spin = cv2.Rodrigues(np.array([0, 0, gl.between(rng, 0, 2 * math.pi)]))[0]
    view = 0.75 * (tilt @ spin)[:2]  # shrunk until half the light lies as far out as in a disc
    (x, y), (core_x, core_y) = view @ at, view @ nuclei.T
    return _paint_merger(rng, frame, x + 1j * y, core_x + 1j * core_y, ratio)


def _paint_merger(
    rng: np.random.Generator,
    frame: Frame,
    stars: npt.NDArray[np.complexfloating],
    cores: npt.NDArray[np.complexfloating],
    ratio: float,
) -> Map:
    """Light of the two stirred discs and their bulges, at projected positions x + iy."""
    light = np.zeros((3, frame.size_px, frame.size_px), np.float32)
    shares = (1 / (1 + ratio), ratio / (1 + ratio))
    for mine, core, share in zip(np.split(stars, 2), cores, shares, strict=True):
        age, bulge = float(rng.beta(1.5, 1.5)), gl.log_between(rng, 0.08, 0.5)
        _add_stirred_disc(rng, frame, light, mine.astype(np.complex64), share * (1 - bulge), age)
        x, y = frame.axes()
        size = gl.between(rng, 0.15, 0.4) * math.sqrt(share * 2)
        x, y = x - np.float32(core.real), y - np.float32(core.imag)
        shape = gl.sersic(x, y, gl.between(rng, 1, 3), size, gl.between(rng, 0.6, 1))
        gl.add(light, share * bulge, shape, _mix(min(1, age + 0.3)))
    return light


def _add_stirred_disc(
    rng: np.random.Generator, frame: Frame, light: Map, stars: Points, share: float, age: float
) -> None:
    """A disc's stars, ordered by birth radius: an exponential, smoothed, with a few young clumps.

    The outer half, which the tails are drawn from, is sparser and so smoothed more.
    """
    birth = np.sqrt((np.arange(stars.size) + 0.5) / stars.size)
    weight = np.exp(-1.6 * birth)
    for part, blur in ((birth < 0.5, 0.07), (birth >= 0.5, 0.11)):
        shape = frame.splat(stars[part], weight[part])
        shape = np.asarray(cv2.GaussianBlur(shape, (0, 0), blur * frame.radius_px), np.float32)
        gl.add(light, share * float(weight[part].sum() / weight.sum()), shape, _mix(age))
    clumps = rng.choice(stars.size, int(rng.poisson(30 * (1 - age))), p=birth / birth.sum())
    knots = frame.splat(stars[clumps], weight[clumps])
    gl.add(light, 0.08 * share * (1 - age), knots, gl.YOUNG)


CLASSES: dict[str, Callable[[np.random.Generator, Frame], Map]] = {
    "elliptical": elliptical,
    "spiral": spiral,
    "barred-spiral": barred_spiral,
    "ring": ring,
    "edge-on": edge_on,
    "merger": merger,
}


def render(class_name: str, rng: np.random.Generator, size: int = SIZE) -> npt.NDArray[np.uint8]:
    """One mock galaxy: (size, size, 3) uint8, RGB; the same rng state gives the same bytes.

    Every size shows the same field of view. Raises UsageError for a class not in `CLASSES`.
    """
    if class_name not in CLASSES:
        raise UsageError(f"unknown galaxy class '{class_name}': choose from {', '.join(CLASSES)}")
    exposure, frame = Exposure.draw(rng), _draw_frame(rng, size)
    light = CLASSES[class_name](rng, frame)
    radius_px = frame.radius_px / OVERSAMPLING
    light *= np.float32(exposure.brightness * 2 * math.pi * radius_px**2 / light[1].sum())
    _add_field_stars(rng, light, size / SIZE)
    _add_field_galaxies(rng, light, size / SIZE)
    binned = light.reshape(3, size, OVERSAMPLING, size, OVERSAMPLING).sum((2, 4))
    sky_subtracted = expose(rng, binned, exposure, size / SIZE)
    return lupton_rgb(sky_subtracted, exposure.pedestal, exposure.stretch, exposure.softening)


def _draw_frame(rng: np.random.Generator, size: int) -> Frame:
    """Any orientation, either hand, a few pixels off centre."""
    scale = OVERSAMPLING * size / SIZE
    offset = complex(*rng.normal(0, 2.0, 2)) * scale
    middle = (size * OVERSAMPLING - 1) / 2
    return Frame(
        size_px=size * OVERSAMPLING,
        centre_px=complex(middle, middle) + offset,
        radius_px=gl.log_between(rng, 10, 17) * scale,
        angle_rad=gl.between(rng, 0, 2 * math.pi),
        hand=int(rng.choice([-1, 1])),
    )


def _add_field_stars(rng: np.random.Generator, light: Map, scale: float) -> None:
    """Foreground stars, points before the PSF: power-law counts, colours on the stellar locus."""
    count = int(rng.poisson(rng.gamma(1.2, STARS_PER_IMAGE / 1.2)))
    flux = np.minimum(60 * (rng.pareto(0.9, count) + 1), 20_000) * scale**2
    row, column = rng.integers(light.shape[1], size=(2, count))
    for k, g_r in enumerate(rng.uniform(0.2, 1.4, count)):
        light[:, row[k], column[k]] += flux[k] * gl.sed((g_r, 0.08 + 0.26 * g_r**2))


def _add_field_galaxies(rng: np.random.Generator, light: Map, scale: float) -> None:
    """Faint background galaxies: small inclined exponentials in random colours."""
    unit, edge = OVERSAMPLING * scale, light.shape[1]
    for _ in range(int(rng.poisson(rng.gamma(1.2, GALAXIES_PER_IMAGE / 1.2)))):
        radius, ratio = gl.log_between(rng, 0.8, 2.8) * unit, gl.between(rng, 0.3, 1)
        turn, (row, column) = gl.between(rng, 0, math.pi), rng.integers(edge, size=2)
        reach = math.ceil(4 * radius / math.sqrt(ratio))
        rows = np.arange(max(0, row - reach), min(edge, row + reach + 1))
        columns = np.arange(max(0, column - reach), min(edge, column + reach + 1))
        v, u = (rows - row)[:, None].astype(np.float32), (columns - column).astype(np.float32)
        x, y = u * math.cos(turn) + v * math.sin(turn), v * math.cos(turn) - u * math.sin(turn)
        shape = gl.sersic(x, y, 1, radius, ratio)
        shape *= np.float32(gl.log_between(rng, 30, 500) * scale**2 / shape.sum())
        colour = gl.sed(_mix(gl.between(rng, -0.2, 1.2)))
        light[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += (
            colour[:, None, None] * shape
        )

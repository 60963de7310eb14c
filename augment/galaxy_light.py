"""Where a mock galaxy's light is: profiles, arms, bars, rings, dust and tides, without a camera.

Lengths are in units of the galaxy's half-light radius (along its major axis), angles in radians,
unless a name says otherwise. A *map* is float32 (H, W), non-negative, on the oversampled grid of a
`Frame`; light is float32 (3, H, W) in the bands g, r, i, with the r band summing to about one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Map = npt.NDArray[np.float32]
Points = npt.NDArray[np.complex64]

OLD = (0.86, 0.42)  # colours (g - r, r - i) in magnitudes: bulges and ellipticals
DISC = (0.52, 0.24)  # a mixed stellar disc
YOUNG = (-0.12, -0.12)  # OB associations
HII = (0.12, 0.62)  # clusters with line emission, placed to come out pink
EXTINCTION = (1.19, 0.84, 0.64)  # A_g, A_r, A_i over A_V (Cardelli, Clayton & Mathis 1989)


@dataclass(frozen=True)
class Frame:
    """How a galaxy lies on the oversampled pixel grid: the only place that knows orientation."""

    size_px: int
    centre_px: complex
    radius_px: float  # of half the light
    angle_rad: float  # position angle of the x axis
    hand: int  # +1, or -1 for the mirror image

    def axes(self) -> tuple[Map, Map]:
        """Galaxy coordinates (x, y) of each pixel centre, two maps."""
        pixel = np.arange(self.size_px, dtype=np.float32)
        u = ((pixel - self.centre_px.real) / self.radius_px)[None, :]
        v = ((pixel - self.centre_px.imag) / self.radius_px)[:, None]
        cos, sin = np.float32(math.cos(self.angle_rad)), np.float32(math.sin(self.angle_rad))
        return u * cos + v * sin, (v * cos - u * sin) * np.float32(self.hand)

    def splat(self, points: Points, weights: npt.NDArray[np.floating]) -> Map:
        """A map with each point's weight in the nearest pixel; points outside are dropped."""
        sky = np.where(self.hand > 0, points, points.conj())
        sky = sky * (self.radius_px * np.exp(1j * self.angle_rad)) + self.centre_px
        column, row = np.rint(sky.real).astype(np.int64), np.rint(sky.imag).astype(np.int64)
        inside = (column >= 0) & (column < self.size_px) & (row >= 0) & (row < self.size_px)
        index = row[inside] * self.size_px + column[inside]
        total = np.bincount(index, weights[inside], self.size_px**2)
        return total.reshape(self.size_px, self.size_px).astype(np.float32)


@dataclass(frozen=True)
class DiscPlane:
    """Each pixel's place in an inclined disc: Cartesian and polar coordinates, maps."""

    x: Map
    y: Map
    r: Map
    log_r: Map
    phi: Map

    @classmethod
    def seen_by(cls, frame: Frame, axis_ratio: float) -> DiscPlane:
        """The plane whose circles `frame` sees with this axis ratio, major axis along x."""
        x, y = frame.axes()
        y = y / np.float32(axis_ratio)
        r = np.sqrt(x * x + y * y) + np.float32(1e-3)
        return cls(x, y, r, np.log(r), np.arctan2(y, x))


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform in [low, high)."""
    return float(rng.uniform(low, high))


def log_between(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform in the logarithm."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def sed(colour: tuple[float, float]) -> Map:
    """Fluxes in (g, r, i), r = 1, of a population with colours (g - r, r - i) in magnitudes."""
    return np.array([10 ** (-0.4 * colour[0]), 1, 10 ** (0.4 * colour[1])], np.float32)


def add(light: Map, fraction: float, shape: Map, colour: tuple[float, float]) -> None:
    """Add to `light`, in place, a component holding `fraction` of the galaxy's r-band light."""
    total = float(shape.sum())
    if total > 0:
        light += (sed(colour) * np.float32(fraction / total))[:, None, None] * shape


def redden(light: Map, depth_v: Map, behind: float = 0.8) -> None:
    """Dim `light`, in place, by dust of V-band optical depth `depth_v`.

    Only the share `behind` of the stars lies behind the dust, so a deep lane turns grey, not red.
    """
    passed = np.exp(-np.array(EXTINCTION, np.float32)[:, None, None] * depth_v)
    light *= np.float32(1 - behind) + np.float32(behind) * passed


def sersic(x: Map, y: Map, index: float, radius: float, axis_ratio: float, boxy: float = 2) -> Map:
    """Sérsic (1963) profile; b_n from Ciotti & Bertin (1999); `boxy` > 2 as Athanassoula (1990)."""
    b_n = 2 * index - 1 / 3 + 4 / (405 * index) + 46 / (25515 * index**2)
    if boxy == 2:
        r_squared = (x * x * axis_ratio + y * y / axis_ratio) / radius**2
        depth = b_n * np.power(r_squared + 1e-4, 0.5 / index)
    else:
        root = math.sqrt(axis_ratio)
        power = np.abs(x * (root / radius)) ** boxy + np.abs(y / (root * radius)) ** boxy
        depth = b_n * np.power(power, 1 / (boxy * index))
    return np.asarray(np.exp(-depth), np.float32)


def apparent_axis_ratio(inclination_rad: float, thickness: float = 0.15) -> float:
    """Axis ratio of an inclined oblate disc (Hubble 1926)."""
    return math.sqrt((math.cos(inclination_rad) * (1 - thickness)) ** 2 + thickness**2)


def exponential_disc(r: Map, scale: float) -> Map:
    """Freeman (1970) disc of scale length `scale`, fading out at about four of them."""
    return np.asarray(np.exp(-r / scale) / (1 + (r / (4.2 * scale)) ** 8), np.float32)


def bar(plane: DiscPlane, angle_rad: float, length: float, axis_ratio: float) -> Map:
    """A flat, boxy bar of semi-major axis `length` at an angle in the disc, sharp at its ends."""
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    x, y = plane.x * cos + plane.y * sin, plane.y * cos - plane.x * sin
    half_light = length * math.sqrt(axis_ratio)
    return sersic(x, y, 0.42, 0.72 * half_light, axis_ratio, boxy=2.8)


def ring(r: Map, radius: float, width: float) -> Map:
    """A ring with a Gaussian cross-section of standard deviation `width`."""
    return np.asarray(np.exp(-0.5 * ((r - radius) / width) ** 2), np.float32)


def edge_on_disc(x: Map, z: Map, scale: float, height: float) -> Map:
    """van der Kruit & Searle (1981): (R/h) K1(R/h) sech²(z/z0), cut off softly at four h.

    x K1(x) is replaced by sqrt(1 + pi x / 2) exp(-x), which is right to 3 % everywhere.
    """
    r = np.abs(x) / scale
    radial = np.sqrt(1 + (math.pi / 2) * r) * np.exp(-r) / (1 + (r / 4) ** 10)
    vertical = np.cosh(np.minimum(np.abs(z) / height, 20)) ** -2
    return np.asarray(radial * vertical, np.float32)


@dataclass(frozen=True)
class Arms:
    """Logarithmic spiral arms: phi = ln(r) / tan(pitch) + const."""

    count: int
    pitch_rad: float
    phase_rad: float
    sharpness: float  # of the von Mises cross-section
    flocculence: float  # 0: grand design, 1: only patches

    def ridge(self, plane: DiscPlane, texture: Map, lag_rad: float = 0) -> Map:
        """1 on the arms, towards 0 between; `texture` bends and breaks them up."""
        turn = plane.phi - plane.log_r / math.tan(self.pitch_rad)
        psi = self.count * turn - (self.phase_rad + lag_rad) + (0.4 + self.flocculence) * texture
        arms: Map = np.exp(self.sharpness * (np.cos(psi) - 1))
        patches = np.exp(1.3 * texture - 1.2)
        mixed = (1 - self.flocculence) * arms + self.flocculence * patches * (0.25 + arms)
        return np.asarray(mixed, np.float32)

    def spots(self, rng: np.random.Generator, count: int, inner: float, outer: float) -> Points:
        """Disc-plane points scattered about the arms between two radii."""
        r = rng.uniform(inner, outer, count)
        arm = rng.integers(self.count, size=count)
        phi = (2 * np.pi * arm + self.phase_rad) / self.count + np.log(r) / math.tan(self.pitch_rad)
        spread = 0.14 + 0.9 * self.flocculence
        phi = phi + rng.normal(0, spread, count)
        return np.asarray(r * np.exp(1j * phi), np.complex64)


def spiral_texture(rng: np.random.Generator, plane: DiscPlane, pitch_rad: float, cells: int) -> Map:
    """Smooth noise of unit variance, drawn out along spirals of the given pitch.

    A small periodic random grid over (turn, ln r) is sampled with the galaxy's shear.
    """
    grid = rng.standard_normal((8, cells), np.float32)
    turn = (plane.phi - plane.log_r / math.tan(pitch_rad)) * (cells / (2 * math.pi))
    sampled = cv2.remap(
        grid, turn % cells, (plane.log_r * 2.2) % 8, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP
    )
    return np.asarray(sampled, np.float32)


@dataclass(frozen=True)
class Encounter:
    """Two discs passing each other on a parabola, as Toomre & Toomre (1972); G = M_1 = 1."""

    mass_ratio: float
    pericentre: float
    friction: float  # drag on the nuclei when near, per unit time
    duration: float  # from a separation of 4, in units where a disc turns once in about 2 pi
    step: float = 0.11
    softening: float = 0.35

    def track(self) -> npt.NDArray[np.float32]:
        """Both nuclei at each step, about their centre of mass: (steps, 2, 3)."""
        mass = 1 + self.mass_ratio
        anomaly = -math.acos(self.pericentre / 2 - 1)
        ahead = complex(math.cos(anomaly), math.sin(anomaly))
        at, speed = 4 * ahead, 1j * (1 + ahead) * math.sqrt(mass / (2 * self.pericentre))
        path = np.zeros((round(self.duration / self.step), 2), np.complex64)
        for row in path:
            row[:] = -at * self.mass_ratio / mass, at / mass
            near = abs(at) ** 2 + self.softening**2
            speed -= self.step * (mass * near**-1.5 * at + self.friction / near * speed)
            at += self.step * speed
        return np.stack([path.real, path.imag, np.zeros_like(path.real)], axis=-1)

    def stir(
        self, at: npt.NDArray[np.float32], velocity: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Carry massless stars (3, N) through it, kick then drift; returns stars, nuclei (2, 3)."""
        track = self.track()
        pull = np.array([1, self.mass_ratio], np.float32)[:, None, None] * np.float32(self.step)
        for nuclei in track:
            offset = nuclei[:, :, None] - at
            near = np.einsum("ijk,ijk->ik", offset, offset) + np.float32(self.softening**2)
            velocity = velocity + (offset * (pull / (near * np.sqrt(near))[:, None, :])).sum(0)
            at = at + np.float32(self.step) * velocity
        return at, track[-1]


def tilted_disc(
    rng: np.random.Generator, count: int, softening: float, mass: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Positions and velocities (3, count) of a disc turning in its own softened potential.

    The disc leans at random against the orbit's plane; stars are ordered from its centre out.
    """
    size = math.sqrt(mass)
    r = 1.7 * size * np.sqrt((np.arange(count) + 0.5) / count)
    phi = np.arange(count) * 2.399963  # golden angle: even coverage, little shot noise
    speed = r * math.sqrt(mass) * (r * r + softening**2) ** -0.75
    flat = np.stack([np.cos(phi), np.sin(phi), np.zeros(count)])
    spin = np.stack([-np.sin(phi), np.cos(phi), np.zeros(count)])
    lean, node = rng.uniform(0, 0.45 * math.pi), rng.uniform(0, 2 * math.pi)
    if rng.random() < 0.25:
        lean = math.pi - lean  # retrograde: hardly any tail
    turn = cv2.Rodrigues(np.array([math.cos(node), math.sin(node), 0]) * lean)[0]
    stir = rng.normal(0, 0.06, (3, count))
    at, velocity = turn @ (flat * r), turn @ (spin * speed) + stir
    return at.astype(np.float32), velocity.astype(np.float32)

"""The corruptions by name, and what a user may ask for. Pixels are uint8 RGB (side, side, 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augcli.augment.corruptions import blur, digital, noise, weather
from augcli.augment.corruptions.contract import Corrupt
from augcli.augment.corruptions.severities import calibration_for
from augcli.augment.decode import Pixels
from augcli.manifests.errors import UsageError
from augcli.manifests.hashing import view_seed


@dataclass(frozen=True)
class Corruption:
    """One of the fifteen, of `group` noise, blur, weather or digital."""

    group: str
    function: Corrupt


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian-noise": Corruption("noise", noise.gaussian_noise),
    "shot-noise": Corruption("noise", noise.shot_noise),
    "impulse-noise": Corruption("noise", noise.impulse_noise),
    "defocus-blur": Corruption("blur", blur.defocus_blur),
    "glass-blur": Corruption("blur", blur.glass_blur),
    "motion-blur": Corruption("blur", blur.motion_blur),
    "zoom-blur": Corruption("blur", blur.zoom_blur),
    "snow": Corruption("weather", weather.snow),
    "frost": Corruption("weather", weather.frost),
    "fog": Corruption("weather", weather.fog),
    "brightness": Corruption("weather", weather.brightness),
    "contrast": Corruption("digital", digital.contrast),
    "elastic": Corruption("digital", digital.elastic),
    "pixelate": Corruption("digital", digital.pixelate),
    "jpeg": Corruption("digital", digital.jpeg),
}
GROUPS = tuple(dict.fromkeys(corruption.group for corruption in CORRUPTIONS.values()))


def parse_corruptions(text: str) -> tuple[str, ...]:
    """`all`, groups and names, joined by commas -> names in the order of `CORRUPTIONS`.

    Raises:
        UsageError: one of them is none; the choices are listed.
    """
    asked = [word.strip() for word in text.split(",")]
    for word in asked:
        if word not in ("all", *GROUPS, *CORRUPTIONS):
            raise UsageError(
                f"--corruptions: unknown '{word}': choose from all, {', '.join(GROUPS)}, "
                f"{', '.join(CORRUPTIONS)}"
            )
    return tuple(
        name
        for name, corruption in CORRUPTIONS.items()
        if not {"all", corruption.group, name}.isdisjoint(asked)
    )


def corrupted(image: Pixels, name: str, severity: int, key: str) -> Pixels:
    """`image` (side, side, 3) of the sample `key`, corrupted: a new array of the same shape.

    A function of its arguments and nothing else. All severities have the same draws: the same
    direction of motion, the same clouds, only more of it.
    """
    calibration = calibration_for(image.shape[0])
    amount = calibration.amounts[name][severity - 1]
    seed = view_seed(0, f"corruption {name}\0{key}", 0)  # no sample's key has a zero byte
    result = CORRUPTIONS[name].function(
        np.asarray(image / 255, np.float32),
        np.random.Generator(np.random.PCG64(seed)),
        amount,
        image.shape[0] / calibration.side,
    )
    return np.rint(np.clip(result, 0, 1) * 255).astype(np.uint8)

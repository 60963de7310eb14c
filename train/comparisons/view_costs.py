"""What the parts of an expansion cost, from a few images: so that fewer copies can be told."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from augcli.augment.encode import codec_named
from augcli.augment.remaking import manifest_recipe
from augcli.augment.views import ViewMaker
from augcli.manifests.manifest import Manifest
from augcli.train.frames import SourceFile
from augcli.train.remaking import source_files
from augcli.train.stored_samples import StoredSamples

MOST_IMAGES = 24
COPIES = 3


@dataclass(frozen=True)
class ViewCosts:
    """Seconds of one core: to read, decode and fit an image, to augment it, to encode a view."""

    image: float
    draw: float
    encode: float

    def of_rounds(self, manifest: Manifest, rounds: int) -> float:
        """What storing the first `rounds` rounds costs, with the images of the other splits."""
        train = manifest.splits["train"]
        images = sum(split.samples for split in manifest.splits.values())
        drawn = train.views_per_round * (rounds - int(manifest.originals))
        views = images - train.samples + train.views_per_round * rounds
        return self.image * images + self.draw * drawn + self.encode * views


def measure_costs(dataset: Path, manifest: Manifest, data: str | None) -> ViewCosts:
    """Make a few views of an expanded dataset again.

    Raises:
        AugcliError: the images are not there, or one can't be used any more.
    """
    files = source_files(StoredSamples(dataset, manifest), manifest, data)
    maker = ViewMaker(manifest_recipe(manifest, dataset))
    codec = codec_named(str(manifest.options["codec"]))
    quality = int(manifest.options["quality"] or 0)
    image, draw, encode = [], [], []
    for file in [files[0], *_spread(files)]:  # the first one warms up
        began = time.perf_counter()
        frame = maker.fitted(file.path.read_bytes())
        image.append(time.perf_counter() - began)
        for copy in range(1, 1 + COPIES):
            began = time.perf_counter()
            view = maker.view(frame, file.key, copy, file.label)
            drawn = time.perf_counter()
            codec.encode(view.rgbx, quality)
            draw.append(drawn - began)
            encode.append(time.perf_counter() - drawn)
    return ViewCosts(
        statistics.median(image[1:]),
        statistics.median(draw[COPIES:]),
        statistics.median(encode[COPIES:]),
    )


def _spread(files: Sequence[SourceFile]) -> Sequence[SourceFile]:
    return files[:: max(1, len(files) // MOST_IMAGES)][:MOST_IMAGES]

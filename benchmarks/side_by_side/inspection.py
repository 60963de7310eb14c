"""Is the output of a peer the same work? Counted and measured from the stored views themselves.

`python -m side_by_side.inspection PEER OUTPUT` prints an `Inspection` as JSON: reading some
outputs back needs the peer's own library, which stays out of the process that measures.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image, JpegImagePlugin

from side_by_side.peers import PEERS
from side_by_side.policies import MIN_DISTINCT
from side_by_side.work import QUALITY, Work

SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
QUALITY_TOLERANCE = 2

# Annex K of ITU-T T.81, the luminance table that libjpeg scales by the quality.
LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)


@dataclass(frozen=True)
class Inspection:
    """What was found: counts, mean bytes, and how many views have each size, quality, …"""

    views: int
    distinct: int
    mean_bytes: float
    sizes: dict[str, int]
    qualities: dict[str, int]
    subsamplings: dict[str, int]


def table_sum(quality: int) -> int:
    """The sum of libjpeg's luminance table at a quality (1 to 100)."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(255, max(1, (value * scale + 50) // 100)) for value in LUMINANCE)


def quality_of(tables: dict[int, list[int]]) -> int:
    """The quality whose luminance table comes nearest."""
    found = sum(tables[0])
    return min(range(1, 101), key=lambda quality: abs(table_sum(quality) - found))


def inspect(views: Iterable[bytes]) -> Inspection:
    """Look at every view's header and content hash."""
    sizes, qualities, subsamplings = Counter[str](), Counter[str](), Counter[str]()
    seen: set[bytes] = set()
    count = total_bytes = 0
    for data in views:
        with Image.open(io.BytesIO(data)) as image:
            assert isinstance(image, JpegImagePlugin.JpegImageFile)
            sizes[f"{image.width}x{image.height}"] += 1
            qualities[str(quality_of(image.quantization))] += 1
            sampling = JpegImagePlugin.get_sampling(image)
            subsamplings[SUBSAMPLING.get(sampling, "other")] += 1
        seen.add(hashlib.blake2b(data, digest_size=16).digest())
        total_bytes += len(data)
        count += 1
    mean_bytes = total_bytes / max(count, 1)
    return Inspection(
        count, len(seen), mean_bytes, dict(sizes), dict(qualities), dict(subsamplings)
    )


def faults(found: Inspection, work: Work, images: int) -> list[str]:
    """In what the output is not the work that was asked for; empty when it is."""
    wrong = []
    if found.views != images * work.copies:
        wrong.append(f"{found.views} views of {images} images x {work.copies}")
    if found.distinct < MIN_DISTINCT[work.policy] * found.views:
        wrong.append(f"only {found.distinct} of {found.views} views are distinct")
    if set(found.sizes) != {f"{work.size}x{work.size}"}:
        wrong.append(f"sizes {', '.join(found.sizes) or 'none'}")
    if any(abs(int(quality) - QUALITY) > QUALITY_TOLERANCE for quality in found.qualities):
        wrong.append(f"JPEG qualities {', '.join(found.qualities)}")
    if set(found.subsamplings) != {"4:2:0"}:
        wrong.append(f"subsampling {', '.join(found.subsamplings) or 'none'}")
    return wrong


if __name__ == "__main__":
    reader = importlib.import_module(PEERS[sys.argv[1]].module).views
    print(json.dumps(asdict(inspect(reader(Path(sys.argv[2]))))))

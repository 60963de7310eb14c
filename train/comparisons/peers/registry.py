"""The peers by name. A peer's module is imported only in a process of its own.

It has `open_peer(work)`, a context that gives a function: the batches of another epoch, each a pair
of images, uint8 (B, size, size, 3) or (B, 3, size, size), and labels.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from augcli.manifests.errors import unknown_name
from augcli.train.comparisons.measurements import FRESH, SHARDS


@dataclass(frozen=True)
class Peer:
    """How a peer is run: `needs` is what its module here imports, `package` what installs that.

    `source` is the kind of arm whose work it does, `about` how it does it.
    """

    module: str
    needs: str
    package: str
    source: str
    about: str

    @property
    def is_installed(self) -> bool:
        """Whether its module can be found here; it isn't imported."""
        return importlib.util.find_spec(self.needs) is not None


PEERS = {
    "webdataset": Peer(
        "webdataset_shards",
        "webdataset",
        "webdataset",
        SHARDS,
        'the same shards, decode("rgb8"), WebLoader',
    ),
    "imagefolder": Peer(
        "image_folder",
        "torchvision",
        "torchvision",
        FRESH,
        "ImageFolder's samples by cv2, the same policy by albumentations, DataLoader",
    ),
    "ffcv": Peer(
        "ffcv_file", "ffcv", "ffcv", SHARDS, "the same views in its own file, from the page cache"
    ),
    "litdata": Peer(
        "litdata_chunks", "litdata", "litdata", SHARDS, "the same views in its own chunks"
    ),
    "mosaicml": Peer(
        "mosaicml_shards",
        "streaming",
        "mosaicml-streaming",
        SHARDS,
        "the same views in its own shards, DataLoader",
    ),
}


def parse_peers(text: str | None) -> tuple[str, ...]:
    """The peers that `--against` names, each once, in the order of `PEERS`.

    Raises:
        UsageError: one of them is unknown; the choices are listed.
    """
    if text is None:
        return ()
    asked = [word.strip() for word in text.split(",")]
    for word in asked:
        if word not in PEERS:
            raise unknown_name("peer in --against", word, PEERS)
    return tuple(name for name in PEERS if name in asked)

"""The registry of readers. A reader's module is imported only in processes of its own.

A module has `open_reader(work, variant)`, a context that gives the batches of each epoch, and,
where it reads a format of its own, `convert(work, variant, output)`, which is not timed.
"""

from __future__ import annotations

from dataclasses import dataclass

from side_by_side.modules import missing

BASE = "webdataset"


@dataclass(frozen=True)
class Reader:
    """How one reader is run: `needs` are the modules it imports, `differs` what it does otherwise.

    `codec` names the expansion by augcli that it reads or is converted from; `bound` what nothing
    that does the same can be faster than. A `fresh` reader makes its views from the user's images,
    anew in every epoch; `as_expanded`, its first epoch draws those that were expanded. `option` is
    a field of augcli's `TrainConfig` without which there is no such reader.
    """

    title: str
    module: str
    variant: str = ""
    needs: tuple[str, ...] = ()
    codec: str = "jpeg"
    converts: bool = False
    bound: str = ""
    fresh: bool = False
    as_expanded: bool = False
    option: str = ""
    differs: str = ""

    def missing(self) -> list[str]:
        """The modules it needs that are not installed here."""
        return missing(self.needs)


_AUGCLI = "side_by_side.readers.augcli_sources"
_FFCV = "side_by_side.readers.ffcv_file"
_DALI = "side_by_side.readers.dali"

READERS = {
    "augcli-jpeg": Reader("augcli, JPEG shards", _AUGCLI, "jpeg", bound="decode"),
    "augcli-npy": Reader("augcli, npy shards", _AUGCLI, "npy", codec="npy", bound="copy"),
    "augcli-memory": Reader(
        "augcli, JPEG shards kept in memory",
        _AUGCLI,
        "jpeg-memory",
        bound="copy",
        option="memory",
    ),
    "webdataset": Reader(
        'webdataset decode("rgb8"), WebLoader',
        "side_by_side.readers.webdataset_rgb8",
        needs=("webdataset",),
        bound="decode",
    ),
    "webdataset-cv2": Reader(
        "webdataset, cv2, WebLoader",
        "side_by_side.readers.webdataset_cv2",
        needs=("webdataset", "cv2"),
        bound="decode",
    ),
    "webdataset-simplejpeg": Reader(
        "webdataset, simplejpeg, WebLoader",
        "side_by_side.readers.webdataset_simplejpeg",
        needs=("webdataset", "simplejpeg"),
        bound="decode",
    ),
    "dataloader": Reader(
        "mapped shards, simplejpeg, DataLoader",
        "side_by_side.readers.mapped_shards",
        needs=("simplejpeg",),
        bound="decode",
    ),
    "datasets": Reader(
        "Hugging Face datasets, DataLoader",
        "side_by_side.readers.hugging_face",
        needs=("datasets",),
        converts=True,
        bound="decode",
    ),
    "litdata": Reader(
        "litdata, StreamingDataLoader",
        "side_by_side.readers.lit",
        needs=("litdata",),
        converts=True,
        bound="decode",
    ),
    "mosaicml": Reader(
        "mosaicml-streaming, DataLoader",
        "side_by_side.readers.mosaicml",
        needs=("streaming",),
        converts=True,
        bound="decode",
    ),
    "ffcv-jpeg": Reader(
        "FFCV, JPEG",
        _FFCV,
        "jpg",
        needs=("ffcv",),
        codec="npy",
        converts=True,
        bound="decode",
        differs="its writer takes pixels: it encodes them itself, by cv2 at the same quality",
    ),
    "ffcv-raw": Reader(
        "FFCV, raw", _FFCV, "raw", needs=("ffcv",), codec="npy", converts=True, bound="copy"
    ),
    "dali": Reader(
        "NVIDIA DALI on the CPU, webdataset",
        _DALI,
        "hwc",
        needs=("nvidia.dali",),
        converts=True,
        bound="decode",
    ),
    "dali-chw": Reader(
        "NVIDIA DALI on the CPU, transposed",
        _DALI,
        "chw",
        needs=("nvidia.dali",),
        converts=True,
        bound="decode",
    ),
    "augcli-fly": Reader("augcli on the fly", _AUGCLI, "fly", fresh=True, as_expanded=True),
    "augcli-fly-memory": Reader(
        "augcli on the fly, images kept in memory",
        _AUGCLI,
        "fly-memory",
        fresh=True,
        as_expanded=True,
        option="memory",
    ),
    "folder-albumentations": Reader(
        "ImageFolder, albumentations",
        "side_by_side.readers.folder_albumentations",
        needs=("cv2", "albumentations"),
        fresh=True,
    ),
    "folder-tv-tensor": Reader(
        "ImageFolder, torchvision v2 on tensors",
        "side_by_side.readers.folder_tensor",
        needs=("torchvision",),
        fresh=True,
    ),
    "folder-tv-pil": Reader(
        "ImageFolder, torchvision v2 on PIL images",
        "side_by_side.readers.folder_pil",
        needs=("torchvision",),
        fresh=True,
    ),
}
OWN = tuple(name for name, reader in READERS.items() if reader.module == _AUGCLI)

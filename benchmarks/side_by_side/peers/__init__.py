"""The registry of peers. A peer's module is imported only in processes of its own.

A module has `expand(work)`, which does the work in this process (augcli has its command line
instead), and `views(output)`, which reads the stored views back for the checks.
"""

from __future__ import annotations

from dataclasses import dataclass

from side_by_side.modules import missing

BASE = "augcli"
FLAT = frozenset(["flat"])
ALL_POLICIES = frozenset(["flat", "elastic", "noise", "autoaugment"])


@dataclass(frozen=True)
class Peer:
    """How one peer is run: `needs` are the modules it imports, `differs` what it does otherwise.

    `processes` says how it spreads over cores, where that is not over `--workers` processes.
    """

    title: str
    module: str
    needs: tuple[str, ...] = ()
    policies: frozenset[str] = ALL_POLICIES
    processes: str = ""
    differs: str = ""

    def missing(self) -> list[str]:
        """The modules it needs that are not installed here."""
        return missing(self.needs)


PEERS = {
    BASE: Peer("augcli expand", "side_by_side.peers.own_command"),
    "joblib": Peer(
        "joblib + albumentations + cv2 + webdataset ShardWriter",
        "side_by_side.peers.joblib_loop",
        ("joblib", "albumentations", "cv2", "webdataset"),
    ),
    "mosaicml": Peer(
        "mosaicml-streaming MDSWriter + process pool",
        "side_by_side.peers.mosaicml",
        ("streaming", "albumentations", "cv2"),
    ),
    "litdata": Peer(
        "litdata optimize",
        "side_by_side.peers.lit",
        ("litdata", "albumentations", "cv2"),
    ),
    "hf-arrow": Peer(
        "Hugging Face datasets.map to arrow",
        "side_by_side.peers.hugging_face",
        ("datasets", "albumentations", "cv2"),
    ),
    "hf-tar": Peer(
        "Hugging Face datasets.map to tar",
        "side_by_side.peers.hugging_face_tar",
        ("datasets", "albumentations", "cv2", "webdataset"),
    ),
    "tv-tensor": Peer(
        "torchvision v2 on tensors, joblib, tar",
        "side_by_side.peers.torchvision_tensor",
        ("torchvision", "joblib", "webdataset"),
        policies=frozenset(["flat", "autoaugment"]),
    ),
    "tv-pil": Peer(
        "torchvision v2 on PIL images, joblib, tar",
        "side_by_side.peers.torchvision_pil",
        ("torchvision", "joblib", "webdataset", "PIL"),
        policies=frozenset(["flat", "autoaugment"]),
    ),
    "augmentor": Peer(
        "Augmentor",
        "side_by_side.peers.augmentor",
        ("Augmentor",),
        policies=FLAT,
        processes="its own threads",
        differs="fit and shift are operations added the way its manual says, as it has none; "
        "reads the image anew for every copy; its quality is set to 90, as it has no option",
    ),
    "keras": Peer(
        "Keras ImageDataGenerator(save_to_dir)",
        "side_by_side.peers.keras_generator",
        ("keras", "torch", "scipy"),
        policies=FLAT,
        processes="one process",
        differs="no contrast, as it has none; reads the image anew for every copy; its quality "
        "is set to 90, as it has no option",
    ),
}

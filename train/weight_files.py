"""Where weights to begin with come from: a checkpoint, a file of tensors, or torchvision.

Whatever the source, only tensors are taken, read with `weights_only=True`: nothing in a file is
executed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.checkpoint import FORMAT, VERSION
from augcli.train.forward import Channels
from augcli.train.models import MODELS
from augcli.train.torch_files import load_torch

WRAPPERS = re.compile(r"^(?:(?:module|_orig_mod)\.)+")
"""What DistributedDataParallel and torch.compile put before every name."""
INNER = ("model", "state_dict")
"""Under which other programs' checkpoints keep the weights."""
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
"""torchvision's DenseNets were saved when names could have dots within."""
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Heads that GoogLeNet and Inception v3 train with, and which are not built here."""


@dataclass(frozen=True)
class FoundWeights:
    """Tensors on the CPU by their names in the model, and what is known of them."""

    tensors: dict[str, torch.Tensor]
    model_name: str | None = None
    """Whose they are, if the source says so."""
    classes: tuple[str, ...] | None = None
    """What the head's outputs mean, if the source says so."""
    mean: Channels | None = None
    std: Channels | None = None
    """By which the images were normalised in the pre-training: (pixel / 255 - mean) / std; None if
    not known, or as in this program."""


def find_weights(name: str, source: str) -> FoundWeights:
    """What `source` (`default`, the name of some of torchvision's weights, or a file) holds.

    Raises:
        UsageError: there is no such source for the model `name`, or it is no file of weights.
        AugcliError: torchvision's weights can't be downloaded.
    """
    published = _published(name)
    chosen = source.removeprefix(f"{published.__name__}.") if published else source
    if published and chosen.upper() in published.__members__:
        return _download(name, source, published[chosen.upper()])
    path = Path(source)
    if path.is_file():
        return _from_file(path)
    names = ", ".join(["default", *(w.name for w in published)]) if published else "none"
    raise UsageError(
        f"--weights {source}: there is no such file, and no such weights for --model {name} "
        f"(torchvision has for it: {names}): expected one of these, or a file: best.pt or last.pt "
        "of a run, a state_dict saved by torch, or .safetensors"
    )


def _published(name: str) -> Any:
    """torchvision's enumeration of weights for the model `name`; None for our own."""
    return None if name in MODELS else torchvision.models.get_model_weights(name)


def _download(name: str, source: str, weights: Any) -> FoundWeights:
    """From torch's cache, or else from the network."""
    try:
        # Downloads are held against the beginning of their sha256, which is in the address.
        content = weights.get_state_dict(
            progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
    except Exception as error:  # of the network, of the disk, or of an unpickler
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise AugcliError(
            f"--weights {source}: torchvision can't get them ({reason}): on a machine with a "
            f"network, fetch {weights.url} by hand, for example with `curl -LO {weights.url}`, and "
            f"give --weights {Path(weights.url).name}"
        ) from error
    tensors = {
        OLD_DENSENET.sub(r"\1\2", key): value
        for key, value in _tensors(source, content).items()
        if not key.startswith(AUXILIARY)
    }
    mean, std = _normalisation(name, weights)
    return FoundWeights(tensors, name, tuple(weights.meta["categories"]), mean, std)


def _normalisation(name: str, weights: Any) -> tuple[Channels, Channels]:
    """What the weights expect of models as built here.

    torchvision's own GoogLeNet and Inception v3 undo ImageNet's normalisation
    (`transform_input`), and are then given values in -1..1; those built here don't.
    """
    if name in ("googlenet", "inception_v3"):
        return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    transforms = weights.transforms()
    return tuple(transforms.mean), tuple(transforms.std)


def _from_file(path: Path) -> FoundWeights:
    content = _safetensors(path) if path.suffix == ".safetensors" else _torch_file(path)
    if not isinstance(content, dict):
        raise UsageError(
            f"--weights {path}: holds a {type(content).__name__}, expected a dict of tensors"
        )
    if content.get("format") == FORMAT:
        if content.get("version") != VERSION:
            raise UsageError(
                f"--weights {path}: checkpoint version {content.get('version')}, this augcli "
                f"reads {VERSION}"
            )
        tensors = _tensors(str(path), content.get("model"))
        return FoundWeights(
            tensors,
            content.get("model_name"),
            _classes(content.get("classes")),
            _channels(content.get("mean")),
            _channels(content.get("std")),
        )
    inner = next((content[key] for key in INNER if isinstance(content.get(key), dict)), content)
    return FoundWeights(_tensors(str(path), inner))


def _classes(content: object) -> tuple[str, ...] | None:
    return tuple(str(name) for name in content) if isinstance(content, list) else None


def _channels(content: object) -> Channels | None:
    if not isinstance(content, list) or len(content) != 3:
        return None
    red, green, blue = (float(value) for value in content)
    return red, green, blue


def _safetensors(path: Path) -> object:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise UsageError(
            f"--weights {path}: needs the library `safetensors`: pip install safetensors"
        ) from error
    try:
        return load_file(path, device="cpu")
    except Exception as error:  # its own kinds, which are not exported
        raise UsageError(f"--weights {path}: not a whole safetensors file: {error}") from error


def _torch_file(path: Path) -> object:
    try:
        with open(path, "rb") as file:
            return load_torch(file)
    except PermissionError as error:
        raise AugcliError(f"--weights {path}: can't be read: {error}") from error
    except Exception as error:  # an unpickler fed with arbitrary bytes can fail in any way
        raise UsageError(
            f"--weights {path}: refused: it is damaged, compressed, made by something else than "
            "torch, or holds other things than tensors, which could execute anything (nothing in "
            "it was executed): expected a state_dict, as torch.save(model.state_dict(), ...) "
            "writes it, or .safetensors"
        ) from error


def _tensors(source: str, content: object) -> dict[str, torch.Tensor]:
    """`content` without the names of wrappers, held to be tensors by name."""
    if not isinstance(content, dict) or not content:
        raise UsageError(f"--weights {source}: holds no weights")
    tensors: dict[str, torch.Tensor] = {}
    for key, value in content.items():
        if not (isinstance(key, str) and isinstance(value, torch.Tensor)):
            raise UsageError(
                f"--weights {source}: its entry {key!r} is a {type(value).__name__}, expected "
                "tensors by name"
            )
        plain = WRAPPERS.sub("", key)
        if plain in tensors:
            raise UsageError(f"--weights {source}: has two entries for {plain}")
        tensors[plain] = value
    return tensors

"""Checkpoints: everything that a run needs to go on as if it had never stopped.

One file, written by `torch.save` under a temporary name and published whole, read with
`weights_only=True`, so that nothing in it can execute.
"""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import atomic_file
from augcli.train.averages import RAW
from augcli.train.forward import MEAN, STD
from augcli.train.together import Together
from augcli.train.torch_files import load_torch

FORMAT = "augcli-checkpoint"
VERSION = 3
MAX_REASON = 300
"""Letters of torch's complaints to show; they may name every parameter."""
START_ANEW = "start a new run in another --out, or remove this one's folder"


@dataclass(frozen=True)
class Totals:
    """Sums over the part of the running epoch that is done."""

    loss_sum: float = 0.0
    """Per-sample cross-entropies in nats, added up."""
    correct: int = 0
    samples: int = 0
    skipped: int = 0
    """Views that could not be read, under `--on-error skip`."""
    seconds: float = 0.0
    """Wall time of steps and of waiting for data."""
    data_wait_seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run between two steps, as plain values and tensors on the CPU."""

    model_name: str
    classes: list[str]
    size: list[int]
    """[height, width] of the images in pixels."""
    identity: dict[str, Any]
    """What decided the run (`augcli.train.identity`), its config among it, as plain values."""
    epoch: int
    """Finished epochs: the index, from 0, of the epoch to go on with."""
    batch: int
    """Finished batches of that epoch: the index of the next one."""
    totals: dict[str, Any]
    """`Totals` of that epoch."""
    history: list[dict[str, Any]]
    """The rows of the finished epochs, as in `summary.csv`."""
    best_epoch: int | None
    """The number, from 1, of the best finished epoch; `best.pt` is from its end."""
    model: dict[str, Any]
    optimizer: dict[str, Any]
    """State of the optimiser; empty in `best.pt`."""
    cpu_rng: torch.Tensor | None
    """torch's random state, uint8 (n,), or (ranks, n) of several ranks; None in `best.pt`."""
    cuda_rng: torch.Tensor | None
    """Random state of the CUDA device that trained, likewise, or None."""
    plateau: dict[str, Any] = field(default_factory=dict)
    """`PlateauState`: what the schedule has seen of validation."""
    mean: list[float] = field(default_factory=lambda: list(MEAN))
    """By which images are normalised, R, G and B of pixels in 0..1."""
    std: list[float] = field(default_factory=lambda: list(STD))
    scaler: dict[str, Any] = field(default_factory=dict)
    """State of float16's loss scaling; empty in other precisions."""
    marks: list[int] = field(default_factory=lambda: [0])
    """The timeline's: where on the schedule epochs begin and end."""
    weights: str = RAW
    """What `model` holds: `raw`, `ema` or `swa`."""
    ema: dict[str, Any] = field(default_factory=dict)
    """The moving average of the weights; empty without `--ema`, and in all but `last.pt`."""
    swa: dict[str, Any] = field(default_factory=dict)
    """The mean of weights of epochs, likewise; empty before the first."""
    swa_epochs: int = 0
    """How many epochs that is the mean of."""
    snapshots: list[int] = field(default_factory=list)
    """Nominal steps done at each snapshot that was taken."""
    spent_seconds: float = 0.0
    """Wall time of the run up to here, with validation and all."""


_TYPES: dict[str, tuple[type, ...]] = {
    "model_name": (str,),
    "classes": (list,),
    "size": (list,),
    "identity": (dict,),
    "epoch": (int,),
    "batch": (int,),
    "totals": (dict,),
    "history": (list,),
    "best_epoch": (int, type(None)),
    "model": (dict,),
    "optimizer": (dict,),
    "cpu_rng": (torch.Tensor, type(None)),
    "cuda_rng": (torch.Tensor, type(None)),
    "plateau": (dict,),
    "mean": (list,),
    "std": (list,),
    "scaler": (dict,),
    "marks": (list,),
    "weights": (str,),
    "ema": (dict,),
    "swa": (dict,),
    "swa_epochs": (int,),
    "snapshots": (list,),
    "spent_seconds": (float,),
}


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` so that `path` is either as it was before, or whole and flushed.

    Raises:
        OSError: it can't be written.
    """
    content = {name: getattr(checkpoint, name) for name in _TYPES}
    with atomic_file(path) as file:
        try:
            torch.save({"format": FORMAT, "version": VERSION, **content}, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch hides a full disk behind its own
                raise error.__context__ from error
            raise


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote; tensors come to the CPU.

    Raises:
        AugcliError: `path` is missing, damaged, or something else than such a checkpoint.
    """
    with _opened(path) as file:
        return _loaded(path, file)


def load_for_all(path: Path, together: Together) -> Checkpoint:
    """`load_checkpoint` for every rank, where only the first one has the file.

    Raises:
        AugcliError: as there.
    """
    if together.is_alone:
        return load_checkpoint(path)
    content = b""
    if together.is_first:
        with _opened(path) as file:
            content = file.read()
    return _loaded(path, io.BytesIO(together.first_bytes(content)))


def _opened(path: Path) -> IO[bytes]:
    if not path.is_file():
        raise AugcliError(f"{path}: there is no checkpoint here; {START_ANEW}")
    try:
        return open(path, "rb")
    except OSError as error:
        raise AugcliError(f"{path}: can't be read: {error}") from error


def _loaded(path: Path, file: IO[bytes]) -> Checkpoint:
    try:
        content = load_torch(file)
    except Exception as error:  # an unpickler fed with arbitrary bytes can fail in any way
        raise AugcliError(
            f"{path}: not a whole augcli checkpoint: it is damaged, or was made by something "
            f"else (nothing in it was executed); {START_ANEW}"
        ) from error
    return _checked(path, content)


def _checked(path: Path, content: object) -> Checkpoint:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise AugcliError(f"{path}: a torch file, but not an augcli checkpoint; {START_ANEW}")
    if content.get("version") != VERSION:
        raise AugcliError(
            f"{path}: checkpoint version {content.get('version')}, this augcli reads {VERSION}: "
            "use the augcli that wrote it"
        )
    wrong = [
        name
        for name, types in _TYPES.items()
        if name not in content or not isinstance(content[name], types)
    ]
    if wrong:
        raise AugcliError(f"{path}: the checkpoint lacks a sound {', '.join(wrong)}; {START_ANEW}")
    return Checkpoint(**{name: content[name] for name in _TYPES})


def damaged(path: Path, error: Exception) -> AugcliError:
    """What to tell of a checkpoint that was read, and can't be what the run saved."""
    reason = " ".join(str(error).split())
    shown = reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]} …"
    return AugcliError(f"{path}: is damaged: {shown}; {START_ANEW}")


def plain_totals(totals: Totals) -> dict[str, Any]:
    """`totals` as the plain values that a checkpoint holds."""
    return dataclasses.asdict(totals)

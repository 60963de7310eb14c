"""The end of a run: the best weights measured once, and the run record."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision

from augcli.manifests.errors import AugcliError
from augcli.train import pictures
from augcli.train.alternatives import Averaged, brief, try_snapshots, try_swa
from augcli.train.averages import SWA
from augcli.train.batch import Source, Sources
from augcli.train.checkpoint import damaged, load_for_all
from augcli.train.config import TrainConfig
from augcli.train.evaluate import Evaluation, evaluate
from augcli.train.identity import plain_config, split_samples
from augcli.train.metrics import per_class_recall, wilson_interval
from augcli.train.models import parameter_count
from augcli.train.optimizers import optimiser_of, resolve_lr, resolve_weight_decay
from augcli.train.record import MAKE_ANEW, Row, RunFolder, read_record, write_record
from augcli.train.state import RunState
from augcli.train.together import Together


@dataclass(frozen=True)
class TrainResult:
    """What a finished run found."""

    folder: Path
    rows: tuple[Row, ...]
    """One per epoch."""
    best_epoch: int
    """From 1: the epoch whose weights are in `best.pt`."""
    split: str | None
    """The split of the final evaluation: test, validation if there is no test, or None."""
    accuracy: float | None
    """Accuracy of `best.pt` on `split`, 0..1."""
    interval: tuple[float, float] | None
    """Its 95 % Wilson interval: the chance of these images, not of other seeds."""
    record: dict[str, Any]
    """All of `run.json`."""


def finish(
    config: TrainConfig,
    sources: Sources,
    description: dict[str, object],
    run: RunFolder,
    state: RunState,
) -> None:
    """Measure `best.pt` on the final split; write `confusion.png` and `run.json`, the last file.

    Before that, averaged weights may become `best.pt`. The weights in `state` become those of it.
    Of several ranks all measure, one writes.

    Raises:
        AugcliError: `best.pt` or a snapshot is missing or damaged.
    """
    swa, ensemble = try_swa(sources, run, state), try_snapshots(sources, run, state)
    weights = _take_best(run, state)
    split, source = _final_split(sources)
    final = None
    if source is not None:
        final = evaluate(state.model, source, state.forward, state.together)
    if not state.together.is_first:
        return
    if final is not None:
        title = (
            f"{split}: accuracy {final.accuracy:.3f}\n{final.n:,} images, {_origin(state, weights)}"
        )
        pictures.draw_confusion(run.confusion, final.confusion, sources.classes, title)
    write_record(
        run.record,
        {
            "config": plain_config(config),
            "lr": resolve_lr(optimiser_of(config), config.lr, config.lrs),
            "weight_decay": resolve_weight_decay(optimiser_of(config), config.weight_decay),
            "parameters": parameter_count(state.model),
            "precision": state.identity["precision"],
            "versions": _versions(),
            "device": _device(state.device),
            "ranks": state.together.world.ranks,
            "classes": list(sources.classes),
            "size": list(state.size),
            "samples": split_samples(sources),
            "epochs": len(state.rows),
            "ended_by": state.ended_by,
            "schedule_done": state.timeline.progress(state.epoch, 0),
            "steps": state.steps,
            "seconds": sum(row.seconds for row in state.rows),
            "data_wait_seconds": sum(row.data_wait_seconds for row in state.rows),
            "validation_seconds": sum(row.validation_seconds for row in state.rows),
            "spent_seconds": state.clock.spent(),
            "best_epoch": state.best_epoch,
            "weights": weights,
            "swa": swa and swa.to_json(),
            "snapshots": ensemble and {**ensemble.to_json(), "count": len(state.snapshots)},
            "final_split": split,
            "validation": _validation(state, sources.validation, split, final, swa),
            "test": _detailed(final, sources.classes) if final and split == "test" else None,
            "source": description,
        },
    )


def result_of(run: RunFolder, rows: list[Row], together: Together) -> TrainResult:
    """The result of a finished run, from its record, which only the first rank has.

    Raises:
        AugcliError: the record is damaged, or lacks something.
    """
    record = read_record(run.record) if together.is_first else {}
    if not together.is_alone:
        record = json.loads(together.first_bytes(json.dumps(record).encode()))
    try:
        _check_record(record, len(rows))
        split = record["final_split"]
        final = record[split] if split else None
        return TrainResult(
            folder=run.folder,
            rows=tuple(rows),
            best_epoch=record["best_epoch"],
            split=split,
            accuracy=float(final["accuracy"]) if final else None,
            interval=_interval(final["interval_95"]) if final else None,
            record=record,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AugcliError(
            f"{run.record}: a field is missing or wrong: {error!r}; {MAKE_ANEW}"
        ) from error


def _check_record(record: dict[str, Any], epochs: int) -> None:
    if record["best_epoch"] not in range(1, epochs + 1):
        raise ValueError(f"best_epoch {record['best_epoch']!r} of {epochs}")
    if not isinstance(record["classes"], list) or not record["classes"]:
        raise ValueError(f"classes {record['classes']!r}")
    split = record["final_split"]
    if split not in ("test", "validation", None):
        raise ValueError(f"final_split {split!r}")
    if split is not None and record[split]["n"] < 1:
        raise ValueError(f"{split}: n {record[split]['n']!r}")


def _interval(values: list[float]) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)


def _take_best(run: RunFolder, state: RunState) -> str:
    """Give `state.model` the weights of `best.pt`, and tell of which kind they are."""
    best = load_for_all(run.best, state.together)
    try:
        epoch = state.epoch if best.weights == SWA else state.best_epoch
        if best.epoch != epoch:
            raise ValueError(f"its epoch is {best.epoch} instead of {epoch}")
        state.model.load_state_dict(best.model)
    except Exception as error:  # arbitrary content can fail in any way
        raise damaged(run.best, error) from error
    return best.weights


def _origin(state: RunState, weights: str) -> str:
    if weights == SWA:
        return f"mean weights of the last {state.averages.swa_epochs} epochs"
    return f"weights of epoch {state.best_epoch}"


def _final_split(sources: Sources) -> tuple[str | None, Source | None]:
    if sources.test is not None:
        return "test", sources.test
    if sources.validation is not None:
        return "validation", sources.validation
    return None, None


def _validation(
    state: RunState,
    source: Source | None,
    split: str | None,
    final: Evaluation | None,
    swa: Averaged | None,
) -> dict[str, Any] | None:
    """Validation of `best.pt`: measured now when it is the final split, else at its time."""
    if source is None:
        return None
    if swa is not None and swa.is_best and swa.validation is not None and split == "test":
        return brief(swa.validation)
    if split == "validation" and final is not None:
        return _detailed(final, state.classes)
    assert state.best_epoch is not None
    row = state.rows[state.best_epoch - 1]
    assert row.val_accuracy is not None
    interval = wilson_interval(round(row.val_accuracy * source.samples), source.samples)
    return {
        "accuracy": row.val_accuracy,
        "interval_95": list(interval),
        "loss": row.val_loss,
        "n": source.samples,
    }


def _detailed(evaluation: Evaluation, classes: tuple[str, ...]) -> dict[str, Any]:
    recall = per_class_recall(evaluation.confusion)
    return {
        **brief(evaluation),
        "recall": dict(zip(classes, recall, strict=True)),
        "confusion": evaluation.confusion.tolist(),
    }


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
    }


def _device(device: torch.device) -> dict[str, Any]:
    if device.type == "cuda":
        return {"type": "cuda", "name": torch.cuda.get_device_name(device)}
    return {"type": device.type, "name": platform.machine(), "threads": torch.get_num_threads()}

"""When a run ends: after its last epoch, or before that because more would not help."""

from __future__ import annotations

from augcli.manifests.errors import UsageError
from augcli.train.config import TrainConfig
from augcli.train.pace import Timeline

ALL_EPOCHS, EARLY_STOPPING, BUDGET = "epochs", "early-stopping", "budget"


def check_ending(config: TrainConfig, *, validated: bool) -> None:
    """Raises: UsageError: early stopping, and no validation split to judge epochs by."""
    if config.early_stopping is not None and not validated:
        raise UsageError(
            "--early-stopping follows validation, and there are no validation images: leave it out"
        )


def why_ended(
    config: TrainConfig, timeline: Timeline, epochs: int, best_epoch: int | None
) -> str | None:
    """Why a run ends that has had `epochs`, the best of them `best_epoch` (from 1); None: it goes
    on, if there is time for more.

    Early stopping is by patience: so many epochs in turn without a new best (Goodfellow et al.
    2016, "Deep learning", algorithm 7.1,
    https://www.deeplearningbook.org/contents/regularization.html). With several sizes they count
    from the last one's first epoch on: before, validation is at another size than training.
    """
    if timeline.is_whole and epochs == timeline.planned:
        return ALL_EPOCHS if config.budget is None else BUDGET
    patience = config.early_stopping
    if patience is None or best_epoch is None:
        return None
    smaller = sum(timeline.stage(epoch) != timeline.stages[-1] for epoch in range(epochs))
    return EARLY_STOPPING if epochs - max(best_epoch, smaller) >= patience else None

"""What comparisons check before they begin, and what they say when they are interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augcli.augment.preparing import check_outside
from augcli.augment.reference_data import load_reference
from augcli.manifests.errors import (
    AugcliError,
    Interrupted,
    UsageError,
    interruptions_as_such,
)
from augcli.manifests.reference import Reference
from augcli.train.models import check_model_name
from augcli.train.step import choose_device
from augcli.train.world import world_of_environment

NOTHING_TO_COMPARE = "there are neither test nor validation images to compare on"


def check_machinery(command: str, model: str, device: str) -> None:
    """Raises: UsageError: an unknown model, a device that isn't there, or several ranks."""
    if world_of_environment().ranks > 1:
        raise UsageError(f"augcli {command} measures one process: start it without torchrun")
    check_model_name(model)
    choose_device(device)


def compared_on(data: str | None, out: Path) -> Reference:
    """The reference dataset, if it has images to compare on, and `out` lies outside of it.

    Raises:
        UsageError, AugcliError: it doesn't, or is none.
    """
    reference = load_reference(data)
    check_outside(data, out, reference)
    if not reference.of_split("test") and not reference.of_split("val"):
        raise AugcliError(f"{reference.root}: {NOTHING_TO_COMPARE}")
    return reference


@contextmanager
def how_to_go_on(out: Path, command: str) -> Iterator[None]:
    """Tell whoever interrupts the work how it goes on.

    Raises:
        Interrupted: instead of one that speaks of a single training, or of KeyboardInterrupt.
    """
    try:
        with interruptions_as_such():
            yield
    except (Interrupted, KeyboardInterrupt) as stopped:
        code = stopped.exit_code - 128 if isinstance(stopped, Interrupted) else 2
        message = f"stopped; what was finished is kept in {out}; go on with: {command}"
        raise Interrupted(message, code) from stopped

"""Snapshots: the weights at the end of each cycle of the learning rate, which vote together.

Huang et al. 2017, "Snapshot ensembles: train 1, get M for free", https://arxiv.org/abs/1704.00109.
"""

from __future__ import annotations

import copy
import math
from bisect import bisect_right
from collections.abc import Sequence

import torch
from torch import nn

from augcli.train.checkpoint import Checkpoint, damaged, load_for_all
from augcli.train.record import RunFolder
from augcli.train.saving import save_by_first, weights_of
from augcli.train.state import RunState


class Ensemble(nn.Module):
    """The mean of what several models hold probable."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logarithms of the mean probabilities, (B, classes): logits, as their softmax is those."""
        logits = torch.stack([member(images).float() for member in self.members])
        return logits.log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(logits))


def keep_snapshot(run: RunFolder, state: RunState) -> None:
    """After a step: if a cycle ended with it, keep the weights as they are now."""
    ends = state.schedule.cycle_ends()
    done = state.timeline.done(state.epoch, state.batch)
    before = state.snapshots[-1] if state.snapshots else 0
    if bisect_right(ends, done) == bisect_right(ends, before):
        return
    state.snapshots.append(done)
    save_by_first(run.snapshot(len(state.snapshots)), weights_of(state), state.together)


def load_ensemble(run: RunFolder, state: RunState) -> Ensemble:
    """All snapshots of the run, on the device.

    Raises:
        AugcliError: one of them is missing or damaged.
    """
    members = []
    for number, taken in enumerate(state.snapshots, start=1):
        path = run.snapshot(number)
        snapshot = load_for_all(path, state.together)
        try:
            _check(snapshot, number, taken)
            member = copy.deepcopy(state.model)
            member.load_state_dict(snapshot.model)
        except Exception as error:  # arbitrary content can fail in any way
            raise damaged(path, error) from error
        members.append(member)
    return Ensemble(members)


def _check(snapshot: Checkpoint, number: int, taken: int) -> None:
    if len(snapshot.snapshots) != number or snapshot.snapshots[-1] != taken:
        raise ValueError(f"it isn't this run's snapshot {number}")

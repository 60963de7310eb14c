"""Freezing: early layers stay as they were pre-trained, while later ones learn.

Two things would change a frozen layer: gradients, and the running statistics of its batch
normalisation, which move in train mode whether or not anything has a gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from augcli.manifests.errors import UsageError
from augcli.train.layer_groups import LayerGroup


def freeze_to(model: nn.Module, groups: Sequence[LayerGroup], n: int) -> None:
    """Train the groups from number `n` on, and none before: 0 trains all, -1 the head only.

    Call it before the optimiser is made: parameters without gradient are in none of its groups.

    Raises:
        UsageError: there is no such group.
    """
    first = _first_trained(groups, n)
    model.requires_grad_(True)
    for group in groups[:first]:
        for parameter in group.parameters:
            parameter.requires_grad_(False)


def freeze_bn(
    model: nn.Module, groups: Sequence[LayerGroup], n: int, everywhere: bool = False
) -> int:
    """Hold the batch normalisation of the groups before `n` in eval mode; all others train.

    It stays so when `model.train()` is called: such a layer uses its running statistics, and
    leaves them as they are. `everywhere` holds it in all groups, whose scales and shifts still
    learn where they have gradients: with few samples per batch, statistics of ImageNet's images
    can be the better ones. A second call replaces the first. Copies of the model are held too.

    Returns:
        How many layers are held.

    Raises:
        UsageError: there is no such group.
    """
    first = len(groups) if everywhere else _first_trained(groups, n)
    frozen = [inner for g in groups[:first] for module in g.modules for inner in module.modules()]
    chosen = {id(module) for module in frozen}
    held = 0
    for module in model.modules():
        if id(module) in chosen and type(module) in _HELD:
            module.__class__ = _HELD[type(module)]
        elif id(module) not in chosen and type(module) in _FREE:
            module.__class__ = _FREE[type(module)]
            module.train(model.training)
        if isinstance(module, _HeldBatchNorm):
            module.eval()
            held += 1
    return held


def _first_trained(groups: Sequence[LayerGroup], n: int) -> int:
    if not -len(groups) <= n < len(groups):
        names = ", ".join(f"{number} {group.name}" for number, group in enumerate(groups))
        raise UsageError(
            f"--freeze-to {n}: expected {-len(groups)} to {len(groups) - 1}, the first group that "
            f"trains (-1 is the last): {names}"
        )
    return n % len(groups)


class _HeldBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation that doesn't go to train mode."""

    def train(self, mode: bool = True) -> _HeldBatchNorm:
        return super().train(False)


class _HeldBatchNorm1d(_HeldBatchNorm, nn.BatchNorm1d):
    pass


class _HeldBatchNorm2d(_HeldBatchNorm, nn.BatchNorm2d):
    pass


class _HeldSyncBatchNorm(_HeldBatchNorm, nn.SyncBatchNorm):
    pass


# A layer changes its class, not its place: names in the state, hooks and parameters stay.
_HELD: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _HeldBatchNorm1d,
    nn.BatchNorm2d: _HeldBatchNorm2d,
    nn.SyncBatchNorm: _HeldSyncBatchNorm,
}
_FREE = {held: free for free, held in _HELD.items()}

"""A peak learning rate for each layer group: the earlier a layer, the more general what it knows,
and the less it should change (Howard and Ruder 2018, ULMFiT, section 3.2,
https://arxiv.org/abs/1801.06146; fast.ai's `lrs` and `slice(lr)`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from augcli.manifests.errors import UsageError
from augcli.train.layer_groups import LayerGroup


def group_rates(
    lr: float,
    groups: Sequence[LayerGroup],
    lrs: Sequence[float] | None = None,
    mult: float | None = None,
) -> list[float]:
    """One peak learning rate for each of `groups`, from the stem to the head.

    With neither option all have `lr`. `lrs` (`--lrs`) gives its last rate to the head, and spreads
    the others over the groups before it, as evenly as it goes, earlier rates over more groups: with
    three rates and a resnet's six groups that is stem and stages 1 and 2, stages 3 and 4, head,
    which is how fast.ai cuts it. `mult` (`--lr-mult`) gives `lr` to the head and to each group
    before it `mult` times less than to the next: 3 when the data are unlike those of the
    pre-training, 10 when they are alike.

    Raises:
        UsageError: a value that can't be, more rates than groups, or both options.
    """
    if lrs is not None and mult is not None:
        raise UsageError("--lrs and --lr-mult: both set the groups' learning rates: give one")
    if mult is not None:
        if not (math.isfinite(mult) and mult >= 1):
            raise UsageError(f"--lr-mult {mult:g}: expected a factor of 1 or more, such as 3 or 10")
        return [lr / mult**steps for steps in reversed(range(len(groups)))]
    if lrs is None:
        return [lr] * len(groups)
    return _spread(lrs, groups)


def _spread(lrs: Sequence[float], groups: Sequence[LayerGroup]) -> list[float]:
    shown = ",".join(f"{rate:g}" for rate in lrs)
    if not lrs or not all(math.isfinite(rate) and rate >= 0 for rate in lrs):
        raise UsageError(f"--lrs {shown}: expected learning rates of 0 or more, first layers first")
    if len(lrs) > len(groups):
        names = ", ".join(group.name for group in groups)
        raise UsageError(
            f"--lrs {shown}: {len(lrs)} rates, expected at most {len(groups)}, one for each of: "
            f"{names}"
        )
    *body, head = lrs
    before = len(groups) - 1
    if not body:
        return [head] * len(groups)
    return [*(body[number * len(body) // before] for number in range(before)), head]


def parse_lrs(text: str) -> tuple[float, ...]:
    """`1e-4,1e-3,1e-2` -> the numbers.

    Raises:
        UsageError: something in it is no number.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--lrs {text}: expected numbers with commas between, such as 1e-4,1e-3,1e-2"
        ) from error

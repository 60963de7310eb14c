"""Which policies an ablation trains with: whole, each transform left out and alone, and none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augcli.augment.policy import PolicySpec
from augcli.augment.policy_parts import part_names, with_parts
from augcli.manifests.errors import UsageError
from augcli.train.comparisons.ablation_record import NOTHING, WHOLE, only, without


def variants(policy: PolicySpec, *, alone: bool) -> dict[str, Mapping[str, Any]]:
    """Policies in serialised form by the names of their arms; `alone`: of single transforms too.

    Raises:
        UsageError: the policy has no transforms.
    """
    whole = policy.serialized
    names = part_names(whole)
    if not names:
        raise UsageError(f"--policy {policy.name}: has no transforms that could be left out")
    found: dict[str, Mapping[str, Any]] = {WHOLE: whole, NOTHING: with_parts(whole, ())}
    for name in names:
        found[without(name)] = with_parts(whole, [other for other in names if other != name])
        if alone:
            found[only(name)] = with_parts(whole, [name])
    return found

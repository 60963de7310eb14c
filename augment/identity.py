"""What decides the bytes of an expansion, and how two of them differ: compared on every rerun."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from augcli.manifests.manifest import Manifest


@dataclass(frozen=True)
class Identity:
    """Everything that decides the bytes, except the bytes of the sources.

    `fingerprint` is of the reference dataset: which images, in which split and class.
    """

    options: Mapping[str, Any]
    policy: Mapping[str, Any]
    class_policies: Mapping[str, Any]
    versions: Mapping[str, str]
    classes: tuple[str, ...]
    fingerprint: str

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content


def identity_of(manifest: Manifest) -> Identity:
    """The identity that a finished dataset was made with."""
    return Identity(
        options=manifest.options,
        policy=manifest.policy,
        class_policies=manifest.class_policies,
        versions=manifest.versions,
        classes=manifest.classes,
        fingerprint=manifest.reference.fingerprint,
    )


def growth_differences(
    recorded: Mapping[str, Any], wanted: Mapping[str, Any], *, begun_copies: int | None = None
) -> Iterator[str]:
    """The differences that a finished dataset can't take in: it can grow by copies and images.

    It has the recorded number of copies, or `begun_copies` of them.
    """
    allowed = dict(recorded["options"])
    finished = allowed["copies"] if begun_copies is None else begun_copies
    allowed["copies"] = max(finished, wanted["options"]["copies"])
    grown = {**recorded, "options": allowed, "fingerprint": wanted["fingerprint"]}
    yield from differences(grown, wanted)


def differences(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """One line for each difference between two identities in plain form."""
    for group in ("options", "versions"):
        for name in sorted({*recorded[group], *wanted[group]}):
            before, now = recorded[group].get(name), wanted[group].get(name)
            if before != now:
                label = "--" + name.replace("_", "-") if group == "options" else name
                yield f"{label}: was {_shown(before)}, now {_shown(now)}"
    for name in ("policy", "class_policies"):
        if recorded[name] != wanted[name] and recorded["options"] == wanted["options"]:
            option = "--policy" if name == "policy" else "--class-policy"
            yield f"{option}: its file has changed"
    if recorded["classes"] != wanted["classes"]:
        yield f"classes: were {recorded['classes']}, now {wanted['classes']}"
    elif recorded["fingerprint"] != wanted["fingerprint"]:
        yield (
            "--data: images were added, removed or moved to another split or class "
            "(perhaps by --val-fraction or --test-fraction)"
        )


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={item}" for name, item in value.items()) or "none"
    return value

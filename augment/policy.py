"""Policies: random transforms that draw from the view's own stream.

Whatever a policy was named by (see `policy_names`), it is recorded, and sent to workers, in
albumentations' serialised form, and compiled from that (see `compiler`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from augcli.augment.canvas import Canvas
from augcli.augment.compiler import compile_node, explained, names, op_by_op
from augcli.augment.decode import Pixels
from augcli.augment.frame import Frame, rgb_of, rgbx_of
from augcli.augment.policy_cache import policy_id, recall_policy, remember_policy
from augcli.augment.policy_source import policy_text, recorded_name
from augcli.augment.seeding import ViewStream
from augcli.augment.steps import OP_BY_OP
from augcli.manifests.errors import AugcliError, UsageError


class Policy:
    """A random image transform. Not safe for threads: each needs its own.

    Attributes:
        serialized: the pipeline in albumentations' serialised form, plain JSON values.
    """

    def __init__(self, serialized: Mapping[str, Any], *, compiled: bool = True) -> None:
        self.serialized: dict[str, Any] = dict(serialized)
        self._stream = ViewStream()
        self._canvas = Canvas()
        make = compile_node if compiled else op_by_op
        self._step = make(self.serialized["transform"], self._stream)

    def draw(self, frame: Frame, seed: int) -> tuple[Pixels, str]:
        """The view of `frame` drawn with the 128-bit `seed`, and what was applied.

        uint8 RGBX (height, width, 4), valid until the next draw and not to be changed; and the
        JSON text of [[name, parameters], …].

        Raises:
            AugcliError: the policy changed the shape or the type of the image.
        """
        self._stream.reseed(seed)
        self._canvas.start(frame)
        applied: list[str] = []
        self._step(self._canvas, self._stream, applied)
        pixels = self._canvas.pixels()
        if pixels.shape != frame.pixels.shape:
            raise AugcliError(
                f"the policy makes {pixels.shape[:2]} of {frame.pixels.shape[:2]}: it must keep "
                "the size; take resizing and transposing transforms out"
            )
        return pixels, f"[{','.join(applied)}]"

    def __call__(self, image: Pixels, seed: int) -> tuple[Pixels, list[Any]]:
        """The same for uint8 RGB (height, width, 3), the caller's own, and the list itself."""
        pixels, applied = self.draw(Frame(rgbx_of(np.ascontiguousarray(image))), seed)
        return rgb_of(pixels), json.loads(applied)

    @property
    def transform_names(self) -> tuple[str, ...]:
        """The class names of the pipeline's transforms, in order, compositions flattened."""
        return tuple(names(self.serialized["transform"]))

    @property
    def is_compiled(self) -> bool:
        """Whether no transform is left to albumentations op by op, which keeps Python busy."""
        return all(how != OP_BY_OP for _, how in self.explained())

    def explained(self) -> list[tuple[str, str]]:
        """What becomes of each run of transforms: (their names, how they are carried out)."""
        return explained(self.serialized["transform"], self._step)


@dataclass(frozen=True)
class PolicySpec:
    """A policy as named by the user, resolved: hashable and cheap to send to workers."""

    name: str
    text: str

    def build(self) -> Policy:
        """A policy of one's own."""
        return Policy(json.loads(self.text))

    @property
    def serialized(self) -> dict[str, Any]:
        """albumentations' serialised form, as recorded in manifests."""
        content: dict[str, Any] = json.loads(self.text)
        return content


def resolve_policy(name: str, size: int) -> PolicySpec:
    """Resolve a preset, a `+` composition or a file, and try it once at `size` pixels.

    Raises:
        UsageError: an unknown name (listing the choices), a bad file (naming the field), or a
            policy that doesn't keep images at their size.
    """
    identity = policy_id(name, policy_text(name), size)
    known = recall_policy(identity)
    if known is not None:
        return PolicySpec(recorded_name(name), known)
    from augcli.augment.policy_names import named_pipeline
    from augcli.augment.policy_serial import serialize

    spec = spec_of(recorded_name(name), serialize(named_pipeline(name)))
    try:
        for trial in (spec.build(), Policy(_always(spec.serialized))):
            trial(np.zeros((size, size, 3), np.uint8), seed=0)
    except AugcliError as error:
        raise UsageError(f"--policy {name}: {error}") from error
    except Exception as error:  # a third party's transform with arguments that it can't use
        raise UsageError(f"--policy {name}: fails at {size} pixels: {error}") from error
    remember_policy(identity, spec.text)
    return spec


def _always(serialized: Mapping[str, Any]) -> dict[str, Any]:
    """The same pipeline with every probability 1: a trial must reach what happens rarely."""
    changed: dict[str, Any] = {
        name: 1.0 if name == "p" else value for name, value in serialized.items()
    }
    if "transform" in changed:
        changed["transform"] = _always(changed["transform"])
    if "transforms" in changed:
        changed["transforms"] = [_always(inner) for inner in changed["transforms"]]
    return changed


def checked_spec(name: str, serialized: Mapping[str, Any]) -> PolicySpec:
    """The spec of a policy from a file that others may have written.

    Raises:
        UsageError: it is not what `augcli` would have written; the message names the field.
    """
    identity = policy_id("of a manifest", json.dumps(serialized, sort_keys=True), 0)
    known = recall_policy(identity)
    if known is not None:
        return PolicySpec(name, known)
    from augcli.augment.policy_serial import normalized

    spec = spec_of(name, normalized(serialized))
    remember_policy(identity, spec.text)
    return spec


def spec_of(name: str, serialized: Mapping[str, Any]) -> PolicySpec:
    """The spec of a policy already in serialised form, as `policy_serial.serialize` writes it."""
    return PolicySpec(name, json.dumps(serialized, sort_keys=True, allow_nan=False))

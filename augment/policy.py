"""Policies: pipelines that draw from the view's own stream.

Whatever a policy was named by (see `policy_names`), it is recorded, and sent to workers, in
albumentations' serialised form.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augcli.augment.decode import Pixels
from augcli.augment.pipeline import A, BaseCompose
from augcli.augment.policy_file import build_pipeline
from augcli.augment.policy_names import named_transforms, recorded_name
from augcli.augment.seeding import ViewStream
from augcli.manifests.errors import AugcliError, UsageError

_STATIC_PARAMETERS = frozenset(
    [
        "shape",
        "interpolation",
        "fill",
        "fill_mask",
        "bbox_matrix",
        "output_shape",
        "map_x",
        "map_y",
        "cols",
        "rows",
    ]
)


class Policy:
    """A random image transform. Not safe for threads: each needs its own.

    Attributes:
        serialized: the pipeline in albumentations' serialised form, plain JSON values.
    """

    def __init__(self, serialized: Mapping[str, Any]) -> None:
        self._pipeline = build_pipeline(serialized["transform"])
        self._stream = ViewStream()
        self._pipeline.set_random_state(self._stream.numpy, self._stream.python)
        self.serialized: dict[str, Any] = serialize(self._pipeline)

    def __call__(self, image: Pixels, seed: int) -> tuple[Pixels, list[Any]]:
        """The view drawn with the 128-bit `seed`, and what was applied: [[name, parameters], …].

        `image` is uint8 RGB (height, width, 3) and is not changed; so is the view.

        Raises:
            AugcliError: the policy changed the shape or the type of the image.
        """
        self._stream.reseed(seed)
        result = self._pipeline(image=image)
        pixels = result["image"]
        if pixels.shape != image.shape or pixels.dtype != np.uint8:
            raise AugcliError(
                f"the policy makes {pixels.dtype} {pixels.shape} of uint8 {image.shape}: "
                "it must keep size and type; take resizing and normalising transforms out"
            )
        if pixels is image:
            pixels = image.copy()
        return np.require(pixels, requirements=["C", "W"]), _applied(result["applied_transforms"])

    @property
    def transform_names(self) -> tuple[str, ...]:
        """The class names of the pipeline's transforms, in order, compositions flattened."""
        return tuple(_leaf_names(self._pipeline))


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
    pipeline = A.Compose(named_transforms(name), save_applied_params=True)
    spec = spec_of(recorded_name(name), serialize(pipeline))
    try:
        for trial in (spec.build(), Policy(_always(spec.serialized))):
            trial(np.zeros((size, size, 3), np.uint8), seed=0)
    except AugcliError as error:
        raise UsageError(f"--policy {name}: {error}") from error
    except Exception as error:  # a third party's transform with arguments that it can't use
        raise UsageError(f"--policy {name}: fails at {size} pixels: {error}") from error
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


def spec_of(name: str, serialized: Mapping[str, Any]) -> PolicySpec:
    """The spec of a policy already in serialised form, as manifests hold it."""
    return PolicySpec(name, json.dumps(serialized, sort_keys=True, allow_nan=False))


def serialize(pipeline: Any) -> dict[str, Any]:
    """albumentations' serialised form of a pipeline, in plain JSON values.

    It writes a subclass with its parents' arguments, which it then refuses to read: those go.
    """
    content: dict[str, Any] = _plain(A.to_dict(pipeline))
    _drop_foreign_arguments(content["transform"], pipeline)
    return content


def _drop_foreign_arguments(node: dict[str, Any], transform: Any) -> None:
    if isinstance(transform, BaseCompose):
        for inner_node, inner in zip(node["transforms"], transform.transforms, strict=True):
            _drop_foreign_arguments(inner_node, inner)
        return
    accepted = {"__class_fullname__", *inspect.signature(type(transform).__init__).parameters}
    for name in set(node) - accepted:
        del node[name]


def _applied(transforms: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
    """What was drawn, for the record: static parameters left out, six digits of each number."""
    return [
        [name, {k: _short(_plain(v)) for k, v in drawn.items() if k not in _STATIC_PARAMETERS}]
        for name, drawn in transforms
    ]


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [_short(item) for item in value]
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return value


def _plain(value: Any) -> Any:
    """`value` as JSON has it: arrays as lists (large ones by their shape), tuples as lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= 64 else f"array{value.shape}"
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, str):
        return str(value)
    return value


def _leaf_names(transform: Any) -> list[str]:
    if isinstance(transform, BaseCompose):
        return [name for inner in transform.transforms for name in _leaf_names(inner)]
    return [type(transform).__name__]

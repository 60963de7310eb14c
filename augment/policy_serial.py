"""albumentations' serialised form of a pipeline, in plain JSON values and always the same form."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from augcli.augment.pipeline import A, BaseCompose
from augcli.augment.policy_file import build_pipeline
from augcli.augment.steps import plain


def serialize(pipeline: Any) -> dict[str, Any]:
    """The serialised form of a pipeline.

    albumentations writes a subclass with its parents' arguments, which it then refuses to read:
    those go.
    """
    content: dict[str, Any] = plain(A.to_dict(pipeline))
    _drop_foreign_arguments(content["transform"], pipeline)
    return content


def normalized(serialized: Mapping[str, Any]) -> dict[str, Any]:
    """A policy in anyone's serialised form, in the one that `serialize` writes.

    Raises:
        UsageError: it is no policy, or not one that is allowed; the message names the field.
    """
    return serialize(build_pipeline(serialized.get("transform")))


def _drop_foreign_arguments(node: dict[str, Any], transform: Any) -> None:
    if isinstance(transform, BaseCompose):
        for inner_node, inner in zip(node["transforms"], transform.transforms, strict=True):
            _drop_foreign_arguments(inner_node, inner)
        return
    accepted = {"__class_fullname__", *inspect.signature(type(transform).__init__).parameters}
    for name in set(node) - accepted:
        del node[name]

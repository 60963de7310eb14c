"""What names a policy: presets, presets with arguments, several joined by `+`, or a file.

`side-on`, `keras:rotation_range=20`, `rotate-flip+autoaugment`, or a YAML or JSON file in
albumentations' serialised form.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augcli.augment.pipeline import A, BasicTransform
from augcli.augment.policy_file import build_pipeline, check_numbers
from augcli.augment.policy_source import is_file, policy_text
from augcli.augment.presets import KERAS_TUTORIAL, PRESETS
from augcli.manifests.errors import UsageError, unknown_name
from augcli.manifests.reading import parse_json, parse_yaml


def named_pipeline(name: str) -> Any:
    """The `Compose` that `name` stands for.

    Raises:
        UsageError: an unknown name (listing the choices), or a bad file (naming the field).
    """
    return A.Compose(named_transforms(name), save_applied_params=True)


def named_transforms(name: str) -> list[BasicTransform]:
    """The transforms that `name` stands for, in order.

    Raises:
        UsageError: an unknown name (listing the choices), or a bad file (naming the field).
    """
    return _from_file(Path(name)) if is_file(name) else _from_names(name)


def _from_names(names: str) -> list[BasicTransform]:
    transforms: list[BasicTransform] = []
    for part in names.split("+"):
        name, _, arguments = part.strip().partition(":")
        try:
            transforms += _from_preset(name, _parse_arguments(name, arguments))
        except UsageError as error:
            raise UsageError(f"--policy {part.strip()}: {error}") from error
    return transforms


def _parse_arguments(name: str, text: str) -> dict[str, Any]:
    """`rotation_range=20,zoom_range=[0.9,1.1]` as YAML values; a lone value is the main one's."""
    if not text:
        return {}
    if "=" not in text and name in PRESETS and PRESETS[name].main:
        text = f"{PRESETS[name].main}={text}"
    try:
        arguments = parse_yaml("{" + text.replace("=", ": ") + "}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict) or None in arguments.values():
        raise UsageError("expected NAME:argument=value,argument=value")
    return arguments


def _from_preset(name: str, arguments: dict[str, Any]) -> list[BasicTransform]:
    if name not in PRESETS:
        raise unknown_name("policy", name, [*PRESETS, "or a .yaml or .json file"])
    if name == "keras" and not arguments:
        arguments = KERAS_TUTORIAL
    check_numbers(arguments, name)
    try:
        return PRESETS[name].build(**arguments)
    except (TypeError, ValueError) as error:
        reason = str(error).partition("() ")[2] or str(error)
        raise UsageError(f"{name}: {reason}") from error


def _from_file(path: Path) -> list[BasicTransform]:
    """A file in albumentations' serialised form, or `{PRESET: {argument: value}}`."""
    try:
        text = policy_text(str(path))
        is_json = path.suffix.lower() == ".json"
        content = parse_json(text, finite=False) if is_json else parse_yaml(text)
    except ValueError as error:
        raise UsageError(f"--policy {path}: can't be read: {error}") from error
    try:
        return _from_content(content)
    except UsageError as error:
        raise UsageError(f"--policy {path}: {error}") from error


def _from_content(content: object) -> list[BasicTransform]:
    if isinstance(content, dict) and len(content) == 1:
        ((name, arguments),) = content.items()
        if name in PRESETS:
            return _from_preset(name, arguments or {})
    if not isinstance(content, dict) or "transform" not in content:
        raise UsageError(
            "expected albumentations' form, a field 'transform' with "
            "'__class_fullname__: Compose' and 'transforms'"
        )
    return list(build_pipeline(content["transform"]).transforms)

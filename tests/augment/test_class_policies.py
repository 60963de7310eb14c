"""`--class-policy CLASS=POLICY`: a class's own policy, in both sources and in every record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from augcli.augment import ExpandConfig, expand
from augcli.augment.policy_source import recorded_name
from augcli.augment.remaking import manifest_recipe
from augcli.cli import main
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.manifest import read_manifest
from augcli.manifests.samples_file import read_samples
from augcli.shards.verification import verify


def config(data: Path, out: Path, *class_policy: str, **changes: object) -> ExpandConfig:
    base = ExpandConfig(
        data=str(data),
        out=out,
        copies=1,
        size=24,
        policy="side-on",
        class_policy=class_policy,
        workers=1,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def applied(out: Path) -> dict[str, set[str]]:
    """By class, the transforms that its augmented views went through."""
    table = read_samples(out / "samples.parquet", copy=1)
    names: dict[str, set[str]] = {}
    for name, text in zip(
        *(table.column(n).to_pylist() for n in ("class", "applied")), strict=True
    ):
        names.setdefault(name, set()).update(entry[0] for entry in json.loads(text))
    return names


def test_each_class_goes_its_own_way(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(photos, out, "square=none", "stripes=keras:rotation_range=90"))
    found = applied(out)
    assert "HorizontalFlip" in found["circle"]
    assert found["square"] == set()
    assert found["stripes"]
    assert "HorizontalFlip" not in found["stripes"]
    assert verify(out).faults == ()


def test_the_views_of_other_classes_stay_as_they_are(photos: Path, tmp_path: Path) -> None:
    plain, mixed = tmp_path / "plain", tmp_path / "mixed"
    expand(config(photos, plain, format="folder"))
    expand(config(photos, mixed, "square=augmentor", format="folder"))
    for name, same in (("circle", True), ("square", False), ("stripes", True)):
        first, second = (
            {path.name: path.read_bytes() for path in (out / "train" / name).iterdir()}
            for out in (plain, mixed)
        )
        assert first.keys() == second.keys()
        assert (first == second) is same


def test_the_manifest_says_and_remakes_them(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = expand(config(photos, out, "stripes=top-down", "circle=none"))
    manifest = read_manifest(out)
    assert manifest.options["class_policy"] == {"circle": "none", "stripes": "top-down"}
    assert set(manifest.class_policies) == {"circle", "stripes"}
    remade, used = manifest_recipe(manifest, "x5"), result.prepared.job.recipe
    assert [(label, spec.name, spec.serialized) for label, spec in remade.class_policies] == [
        (label, spec.name, spec.serialized) for label, spec in used.class_policies
    ]
    assert [label for label, _ in remade.class_policies] == [0, 2]


def test_the_order_of_the_options_decides_nothing(photos: Path, tmp_path: Path) -> None:
    expand(config(photos, tmp_path / "out", "stripes=top-down", "circle=none"))
    again = expand(config(photos, tmp_path / "out", "circle=none", "stripes=top-down"))
    assert again.views_made == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("square",), r"--class-policy square: expected CLASS=POLICY"),
        (("cube=none",), r"unknown class in --class-policy 'cube': .*circle, square, stripes"),
        (("square=nonsense",), r"--class-policy square=nonsense: unknown .*augmentor"),
        (("square=none", "square=basic"), r"--class-policy square=basic: .*has one already"),
        (("square=",), r"--class-policy square=: expected CLASS=POLICY"),
    ],
)
def test_a_wrong_class_policy_is_named(
    photos: Path, tmp_path: Path, given: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        expand(config(photos, tmp_path / "out", *given))
    assert not (tmp_path / "out").exists()


def test_names_may_hold_the_sign(photos: Path, tmp_path: Path) -> None:
    """The longest class that fits is meant; the policy may hold '=' as well."""
    data = tmp_path / "data"
    for name, target in (("circle", "a"), ("square", "a=b"), ("stripes", "a=b=c")):
        (data / target).mkdir(parents=True)
        for path in (photos / name).iterdir():
            (data / target / path.name).write_bytes(path.read_bytes())
    out = tmp_path / "out"
    result = expand(config(data, out, "a=b=c=keras:rotation_range=9", "a=b=none", "a=basic"))
    names = {name: spec.name for name, spec in result.prepared.class_policies.items()}
    assert names == {
        "a": "basic",
        "a=b": "none",
        "a=b=c": recorded_name("keras:rotation_range=9"),
    }


def test_a_policy_file_that_changes_is_noticed(photos: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "own.json", tmp_path / "out"

    def write(transform: str) -> None:
        steps = [{"__class_fullname__": transform, "p": 1.0}]
        pipeline = {"__class_fullname__": "Compose", "p": 1.0, "transforms": steps}
        file.write_text(json.dumps({"transform": pipeline}))

    write("HorizontalFlip")
    expand(config(photos, out, f"square={file}"))
    assert applied(out)["square"] == {"HorizontalFlip"}
    write("VerticalFlip")
    with pytest.raises(AugcliError, match="--class-policy: its file has changed"):
        expand(config(photos, out, f"square={file}"))


def test_the_summary_lists_them(photos: Path, tmp_path: Path) -> None:
    arguments = ["expand", "--data", str(photos), "--out", str(tmp_path / "out"), "--size", "24"]
    result = CliRunner().invoke(main, [*arguments, "--class-policy", "square=none"])
    assert result.exit_code == 0, result.stderr
    assert "class square  fit only" in result.stdout

"""An expanded dataset's views made anew: by its recipe, from its images, with its versions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from augcli.augment.fit import Fit
from augcli.augment.policy import checked_spec
from augcli.augment.reference_data import find_root
from augcli.augment.views import Recipe
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import Manifest
from augcli.manifests.versions import package_versions
from augcli.train.frames import SourceFile
from augcli.train.stored_samples import StoredSamples


def manifest_recipe(manifest: Manifest) -> Recipe:
    """The recipe that the stored views were made by.

    Raises:
        UsageError: a policy in the manifest is not one that augcli would have written.
    """
    options = manifest.options
    return Recipe(
        fit=Fit(int(options["size"]), str(options["fit"])),
        policy=checked_spec(str(options["policy"]), manifest.policy),
        seed=int(options["seed"]),
        max_megapixels=float(options["max_megapixels"]),
        class_policies=tuple(
            (manifest.classes.index(name), checked_spec(options["class_policy"][name], policy))
            for name, policy in sorted(manifest.class_policies.items())
        ),
    )


def source_files(
    samples: StoredSamples, manifest: Manifest, data: str | None, unread: bool = False
) -> list[SourceFile]:
    """The training images that were expanded, with the hashes they had.

    `unread` files need not be there any more: only what is recorded of them is wanted.
    """
    root = Path() if unread else find_root(manifest.reference, data)
    count = manifest.splits["train"].views_per_round
    table = samples.of_split("train").slice(0, count)  # of round 0
    names = ("key", "source", "label", "source_sha256")
    rows = list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    repeats = Counter(key for key, *_ in rows)
    turns = Counter[str]()
    files = []
    for key, source, label, digest in rows:
        files.append(
            SourceFile(key, root / source, label, digest, turn=turns[key], repeats=repeats[key])
        )
        turns[key] += 1
    return files


def check_versions(dataset: str, manifest: Manifest) -> None:
    """Views made now are the stored ones only with the same libraries: law 2, parity.

    Raises:
        AugcliError: listing those of which another version is installed.
    """
    found = [
        f"  {name}: was {recorded}, is now {installed}"
        for name, recorded in manifest.versions.items()
        if (installed := _installed_version(name)) != recorded
    ]
    if found:
        raise AugcliError(
            f"{dataset}: was expanded with other versions, which may make other views:\n"
            + "\n".join(found)
            + "\ninstall those, train with --source shards, or expand again into another folder"
        )


def _installed_version(package: str) -> str:
    try:
        return package_versions([package])[package]
    except AugcliError:
        return "not installed"

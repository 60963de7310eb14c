"""How the views of an expanded dataset were made, from its manifest: to make them once more."""

from __future__ import annotations

from pathlib import Path

from augcli.augment.fit import Fit
from augcli.augment.policy import checked_spec
from augcli.augment.views import Recipe
from augcli.manifests import versions
from augcli.manifests.errors import UsageError
from augcli.manifests.manifest import MANIFEST_FILE, Manifest


def manifest_recipe(manifest: Manifest, dataset: Path | str) -> Recipe:
    """The recipe that the stored views of `dataset` (its folder or URL) were made by.

    Raises:
        UsageError: a policy in the manifest is not one that augcli would have written.
    """
    options = manifest.options
    try:
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
    except UsageError as error:
        raise UsageError(f"{dataset}/{MANIFEST_FILE}: its policy: {error}") from error


def other_versions(manifest: Manifest) -> list[str]:
    """Of which libraries another version is installed than views were made with; a line each."""
    return [
        f"{name}: was {manifest.versions[name]}, is now {installed}"
        for name, installed in versions.other_versions(manifest.versions)
    ]

"""The dataset card: `README.md` with the front matter that the Hugging Face hub reads."""

from __future__ import annotations

import yaml

from augcli.augment.encode import codec_named
from augcli.manifests.manifest import PREVIEW_FILE, Manifest

HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_SIZE_CATEGORIES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def dataset_card(manifest: Manifest) -> str:
    """The text of the card."""
    return f"---\n{_front_matter(manifest)}---\n\n{_body(manifest)}"


def _front_matter(manifest: Manifest) -> str:
    views = sum(split.views for split in manifest.splits.values())
    category = next((name for limit, name in _SIZE_CATEGORIES if views < limit), "10M<n<100M")
    content = {
        "pretty_name": f"{manifest.reference.name}, augmented",
        "task_categories": ["image-classification"],
        "size_categories": [category],
        "tags": ["webdataset", "augmented", "augcli"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": HUB_SPLITS[name], "path": f"shards/{name}-*.tar"}
                    for name, split in manifest.splits.items()
                    if split.views
                ],
            }
        ],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _body(manifest: Manifest) -> str:
    options, reference = manifest.options, manifest.reference
    originals = "round 0 the unaugmented images" if manifest.originals else "no originals"
    lines = [
        f"# {_cell(reference.name)}, augmented ahead of time",
        "",
        f"Made by augcli {manifest.versions['augcli']} from {reference.used} labelled images: "
        f"{manifest.rounds} rounds of the training split ({originals}), policy "
        f"`{options['policy']}`, {options['size']} x {options['size']} pixels, "
        f"{options['codec']}. Validation and test images are not augmented.",
        "",
        f"![originals and their augmented views]({PREVIEW_FILE})",
        "",
        "| split | images | views | " + " | ".join(map(_cell, manifest.classes)) + " |",
        "|---|---|---|" + "---|" * len(manifest.classes),
    ]
    for name, split in manifest.splits.items():
        counts = " | ".join(str(count) for count in split.per_class)
        lines.append(f"| {name} | {split.samples} | {split.views} | {counts} |")
    lines += [
        "",
        f"Every view is `KEY.{_extension(manifest)}`, `KEY.cls` (the label, ASCII) and `KEY.json` "
        "(where it comes from and what was applied). `manifest.json` records everything that "
        "decided the bytes, `samples.parquet` the address and CRC-32 of every view.",
        "",
        "```python",
        "import webdataset as wds",
        f'views = wds.WebDataset("shards/train-r000-00000.tar").decode("rgb8")'
        f'.to_tuple("{_extension(manifest)}", "cls")',
        "```",
        "",
    ]
    return "\n".join(lines)


def _extension(manifest: Manifest) -> str:
    return codec_named(manifest.options["codec"]).extension


def _cell(text: str) -> str:
    """Text that can't end a cell, a line or a tag of Markdown."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")

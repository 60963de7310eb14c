"""The dataset card: `README.md` with the front matter that the Hugging Face hub reads."""

from __future__ import annotations

import yaml

from augcli.augment.encode import codec_named
from augcli.manifests.manifest import PREVIEW_FILE, SHARDS_FOLDER, Manifest

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
        "tags": [*(["webdataset"] if _is_tar(manifest) else []), "augmented", "augcli"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": HUB_SPLITS[name], "path": _files_of(name, manifest)}
                    for name, split in manifest.splits.items()
                    if split.views
                ],
            }
        ],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _is_tar(manifest: Manifest) -> bool:
    return str(manifest.options["format"]) == "tar"


def _files_of(split: str, manifest: Manifest) -> str:
    """The pattern of a split's files."""
    return f"{SHARDS_FOLDER}/{split}-*.tar" if _is_tar(manifest) else f"{split}/**"


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
    lines += ["", *(_shard_lines(manifest) if _is_tar(manifest) else _folder_lines(manifest)), ""]
    return "\n".join(lines)


def _shard_lines(manifest: Manifest) -> list[str]:
    """What a view is in the tar format, and how to read some."""
    extension, shard = _extension(manifest), manifest.shards_of("train")[0].name
    return [
        f"Every view is `KEY.{extension}`, `KEY.cls` (the label, ASCII) and `KEY.json` "
        "(where it comes from and what was applied). `manifest.json` records everything that "
        "decided the bytes, `samples.parquet` the address and CRC-32 of every view.",
        "",
        "```python",
        "import webdataset as wds",
        f'views = wds.WebDataset("{SHARDS_FOLDER}/{shard}").decode("rgb8")'
        f'.to_tuple("{extension}", "cls")',
        "```",
    ]


def _folder_lines(manifest: Manifest) -> list[str]:
    """The same of the folder format."""
    return [
        f"Every view is `SPLIT/CLASS/KEY-cCOPY.{_extension(manifest)}`. `manifest.json` records "
        "everything that decided the bytes, `samples.parquet` where every view comes from, what "
        "was applied, and its CRC-32.",
        "",
        "```python",
        "from torchvision.datasets import ImageFolder",
        'views = ImageFolder("train")',
        "```",
        "",
        "Or with Hugging Face's `datasets`, in this folder: "
        '`load_dataset("imagefolder", data_dir="train")`.',
    ]


def _extension(manifest: Manifest) -> str:
    return codec_named(manifest.options["codec"]).extension


def _cell(text: str) -> str:
    """Text that can't end a cell, a line or a tag of Markdown."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")

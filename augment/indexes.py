"""The small files in which other tools look up what a dataset holds, made from its manifest alone.

Beside the shards, whose names in them are relative: the folder can be moved or served whole.

    shards/sizes.json            {shard: samples}; webdataset's own examples and open_clip read it
    shards/_info.json            timm: `create_dataset("wds/", root=DATASET/shards, split="train")`
    shards/wids-trainset.json    wids: `ShardListDataset(INDEX, cache_dir=DATASET/shards)`, random
                                 access by number; a file for each split that has views, with its
                                 rounds one after the other (without `cache_dir` it copies shards)
    croissant.json               MLCommons' metadata, see `croissant`

The JSON is ASCII, as some of these readers decode with the encoding of the machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from augcli.augment.card import HUB_SPLITS
from augcli.augment.croissant import croissant
from augcli.manifests.manifest import (
    CROISSANT_FILE,
    SIZES_FILE,
    TIMM_FILE,
    Manifest,
    ShardRecord,
    page_names,
    wids_file,
)


def index_pages(manifest: Manifest) -> dict[str, bytes]:
    """The content of every index file by its path in the dataset; `manifest.pages` isn't read."""
    content: dict[str, Mapping[str, Any]] = {
        CROISSANT_FILE: croissant(manifest),
        SIZES_FILE: shard_sizes(manifest),
        TIMM_FILE: timm_info(manifest),
    }
    content |= {wids_file(split): wids_index(manifest, split) for split in manifest.splits}
    wanted = page_names(manifest.options, manifest.splits)
    return {
        name: (json.dumps(page, indent=1, allow_nan=False) + "\n").encode("ascii")
        for name, page in content.items()
        if name in wanted
    }


def shard_sizes(manifest: Manifest) -> dict[str, int]:
    """Samples of every shard by its file name."""
    return {shard.name: shard.views for shard in manifest.shards}


def timm_info(manifest: Manifest) -> dict[str, Any]:
    """timm's `_info.json`; the validation split has the name that timm takes unless told."""
    splits = {
        HUB_SPLITS[split]: _timm_split(HUB_SPLITS[split], _in_rounds(manifest, split))
        for split, record in manifest.splits.items()
        if record.views
    }
    return {"splits": splits}


def _timm_split(name: str, shards: list[ShardRecord]) -> dict[str, Any]:
    return {
        "name": name,
        "filenames": [shard.name for shard in shards],
        "shard_lengths": [shard.views for shard in shards],
        "num_samples": sum(shard.views for shard in shards),
    }


def wids_index(manifest: Manifest, split: str) -> dict[str, Any]:
    """The `wids` shard index of one split.

    Without `md5sum`, which no reader needs and which would be a second pass over all shards;
    and without a name, by which older versions of wids tell their cached datasets apart.
    """
    shards = [
        {
            "url": shard.name,
            "nsamples": shard.views,
            "filesize": shard.bytes,
            "sha256": shard.sha256,
            "round": shard.round,
        }
        for shard in _in_rounds(manifest, split)
    ]
    return {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}


def _in_rounds(manifest: Manifest, split: str) -> list[ShardRecord]:
    return sorted(manifest.shards_of(split), key=lambda shard: (shard.round, shard.chunk))

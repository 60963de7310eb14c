"""`croissant.json`: the dataset as MLCommons' Croissant 1.0 metadata, for loaders and searches.

https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html

Every file of data is a FileObject with its SHA-256. The record sets are `splits`, `classes` and
`samples`, the last the rows of `samples.parquet`: one per stored view, with the shard it is in and
where. No record set opens the shards: mlcroissant unpacks archives into one cache by their
relative name, in which the shards of two datasets would pass for one another.

What the manifest can't know is left out: licence, citation, creator, date of publication.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from augcli.manifests.manifest import SHARDS_FOLDER, FileRecord, Manifest, ShardRecord
from augcli.manifests.samples import INTEGER_BITS, SCHEMA_NAMES

Json = dict[str, Any]

# The context that the specification asks for, word for word.
CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_SPLIT_TYPES = {"train": "TrainingSplit", "val": "ValidationSplit", "test": "TestSplit"}
_REFERENCES = {"split": "splits/name", "label": "classes/label"}
_DESCRIPTIONS = {
    "key": "stable name of the reference image",
    "source": "path of the reference image in the reference dataset",
    "source_sha256": "SHA-256 of the reference image",
    "split": "split of the view",
    "class": "name of the class",
    "label": "number of the class",
    "copy": "number of the view among those of its image; 0 is the image unaugmented",
    "round": "pass over the split that the view belongs to",
    "seed": "seed of the view's random draws, 32 hexadecimal digits",
    "shard": f"tar file in {SHARDS_FOLDER}/ that holds the view",
    "offset": "where the encoded view begins in the shard, in bytes",
    "length": "length of the encoded view, in bytes",
    "crc32": "CRC-32 of the encoded view, as in zlib and PNG",
    "applied": "what was done to the image, a JSON list",
}


def croissant(manifest: Manifest) -> Json:
    """The metadata as JSON-LD; paths in it are relative to the dataset's folder."""
    reference, options = manifest.reference, manifest.options
    views = sum(split.views for split in manifest.splits.values())
    tables = {
        manifest.samples: "application/x-parquet",
        manifest.failures: "application/jsonlines",
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"{reference.name}, augmented",
        "description": (
            f"{views} views of {reference.used} labelled images, made ahead of time by augcli "
            f"{manifest.versions['augcli']}: {manifest.rounds} rounds of the training split, "
            f"policy {options['policy']}, {options['size']} x {options['size']} pixels, "
            f"{options['codec']}. Validation and test images are not augmented."
        ),
        "keywords": ["image classification", "augmentation", "webdataset"],
        "version": "1.0.0",  # an expansion never changes: with other options it is another one
        "distribution": [
            *(_table(record, encoding) for record, encoding in tables.items()),
            *map(_shard, manifest.shards),
        ],
        "recordSet": [_splits(manifest), _classes(manifest), _samples(manifest.samples.file)],
    }


def _table(record: FileRecord, encoding: str) -> Json:
    return _file(record.file, encoding, record.sha256)


def _shard(record: ShardRecord) -> Json:
    file = _file(f"{SHARDS_FOLDER}/{record.name}", "application/x-tar", record.sha256)
    return {**file, "contentSize": f"{record.bytes} B"}


def _file(path: str, encoding: str, sha256: str) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "encodingFormat": encoding,
        "sha256": sha256,
    }


def _splits(manifest: Manifest) -> Json:
    there = [name for name, split in manifest.splits.items() if split.views]
    rows = ((name, f"cr:{_SPLIT_TYPES[name]}") for name in there)
    fields = [_field("splits/name", "sc:Text"), _field("splits/url", "sc:URL")]
    return _enumeration("splits", "cr:Split", fields, rows)


def _classes(manifest: Manifest) -> Json:
    fields = [_field("classes/label", "sc:Integer"), _field("classes/name", "sc:Text")]
    return _enumeration("classes", "sc:Enumeration", fields, enumerate(manifest.classes))


def _enumeration(
    name: str, kind: str, fields: Sequence[Json], rows: Iterable[tuple[Any, ...]]
) -> Json:
    """A record set with its records in it; the first field is the key."""
    names = [field["@id"] for field in fields]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "dataType": kind,
        "key": {"@id": names[0]},
        "field": list(fields),
        "data": [dict(zip(names, row, strict=True)) for row in rows],
    }


def _samples(file: str) -> Json:
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": "One record per stored view.",
        "key": [{"@id": "samples/key"}, {"@id": "samples/copy"}],
        "field": [_column(file, name) for name in SCHEMA_NAMES],
    }


def _column(file: str, name: str) -> Json:
    kind = "sc:Integer" if name in INTEGER_BITS else "sc:Text"
    field = {
        **_field(f"samples/{name}", kind),
        "description": _DESCRIPTIONS[name],
        "source": {"fileObject": {"@id": file}, "extract": {"column": name}},
    }
    if name in _REFERENCES:
        field["references"] = {"field": {"@id": _REFERENCES[name]}}
    return field


def _field(name: str, kind: str) -> Json:
    return {"@type": "cr:Field", "@id": name, "name": name, "dataType": kind}

"""The report of an ablation, as of a benchmark; and what `augcli ablate` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augcli.manifests.files import write_atomic
from augcli.train.comparisons.ablation_analysis import AblationAnalysis
from augcli.train.comparisons.ablation_picture import draw_ablation
from augcli.train.comparisons.ablation_record import Ablation
from augcli.train.comparisons.ablation_verdict import ablation_table, ablation_verdict
from augcli.train.comparisons.content import machine_facts
from augcli.train.comparisons.document import (
    Alarm,
    Code,
    Drawn,
    Facts,
    Heading,
    Lead,
    Part,
    Rows,
    Sheet,
    Text,
    to_html,
    to_markdown,
)
from augcli.train.comparisons.plain import to_plain
from augcli.train.comparisons.report import write_pictures
from augcli.train.comparisons.summary import print_verdict
from augcli.train.comparisons.verdict import Verdict
from augcli.train.comparisons.wording import counted, split_name
from augcli.train.printing import print_line, print_table

if TYPE_CHECKING:
    from rich.console import Console

ABLATION_HTML, ABLATION_MARKDOWN = "ablation.html", "ablation.md"
ABLATION_JSON, ABLATION_PICTURE, STRIPS_FILE = "ablation.json", "ablation.png", "transforms.png"
ABLATION_FILES = (
    ABLATION_HTML,
    ABLATION_MARKDOWN,
    ABLATION_JSON,
    ABLATION_PICTURE,
    STRIPS_FILE,
)


def write_ablation(
    folder: Path, ablation: Ablation, analysis: AblationAnalysis, strips: bytes | None = None
) -> None:
    """Write all forms of the report; `strips` is a PNG of each transform alone.

    Raises:
        OSError: a file can't be written.
    """
    said = ablation_verdict(ablation, analysis)
    title = f"Which transforms of {ablation.policy} are worth keeping? {ablation.dataset}"
    parts = list(_content(ablation, analysis, said, strips))
    write_pictures(folder, parts, (ABLATION_PICTURE, STRIPS_FILE))
    text = json.dumps(ablation_json(ablation, analysis), indent=1, ensure_ascii=False)
    write_atomic(folder / ABLATION_JSON, text + "\n")
    write_atomic(folder / ABLATION_MARKDOWN, to_markdown(title, parts))
    write_atomic(folder / ABLATION_HTML, to_html(title, parts))


def ablation_json(ablation: Ablation, analysis: AblationAnalysis) -> dict[str, Any]:
    """The object of `ablation.json` and of `--json`: all but what was recognised by image."""
    measured = to_plain(ablation)
    del measured["labels"]
    for training in measured["trainings"]:
        del training["correct"]
    said = ablation_verdict(ablation, analysis)
    return {"verdict": to_plain(said), "analysis": analysis.to_json(), "measurements": measured}


def print_ablation(
    folder: Path, ablation: Ablation, analysis: AblationAnalysis, console: Console
) -> None:
    """The table, the decisions, and where the report is."""
    title = f"Transforms of {ablation.policy}, on {split_name(ablation.split)} images"
    print_table(title, ablation_table(analysis, brief=True), console)
    print_verdict(ablation_verdict(ablation, analysis), (), console)
    print_line("", console)
    print_line(f"look at     {folder / ABLATION_HTML}, {folder / ABLATION_PICTURE}", console)


def _content(
    ablation: Ablation, analysis: AblationAnalysis, said: Verdict, strips: bytes | None
) -> Iterator[Part]:
    yield Text(
        f"{len(ablation.classes)} classes, {ablation.train_images:,} training images, compared on "
        f"{ablation.test_images:,} {split_name(ablation.split)} images; "
        f"{counted(len(analysis.seeds), 'seed')}.",
        faint=True,
    )
    yield Lead(said.headline)
    yield Facts(tuple((finding.topic, finding.text) for finding in said.findings))
    yield Alarm("Beware", said.warnings)
    yield Heading("Transforms")
    described = "what each transform brings, within the policy and alone"
    yield Drawn(ABLATION_PICTURE, described, partial(draw_ablation, analysis))
    yield Rows(ablation_table(analysis))
    yield Text(
        "What a transform brings is the accuracy of the whole policy less that of the policy "
        "without it, over the same seeds and images; 95 % intervals allow for other seeds and "
        "other images, and are each by itself. p is corrected for all transforms (Holm): in 5 of "
        "100 ablations at most is any of them kept or dropped by chance.",
        faint=True,
    )
    if strips is not None:
        yield Heading("What each of them does")
        yield Sheet(STRIPS_FILE, "each transform alone, on one image", strips)
    yield Heading("How it was measured")
    yield machine_facts(ablation.config, ablation.machine)
    yield Code(ablation.command)

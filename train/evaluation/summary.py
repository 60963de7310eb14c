"""What `augcli evaluate` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcli.augment.corruptions.severities import SEVERITIES
from augcli.train.evaluation.writing import NAMES
from augcli.train.printing import print_line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from augcli.train.evaluation.landscape_result import LandscapeResult
    from augcli.train.evaluation.result import EvaluationResult, TtaResult
    from augcli.train.evaluation.robustness import Robustness
    from augcli.train.evaluation.scores import Scores

MOST_CLASSES = 40


def print_evaluation(result: EvaluationResult, console: Console) -> None:
    """The scores, the tables, and where everything is."""
    scores, data = result.scores, result.data
    low, high = scores.interval
    print_line(f"{data.name:<17} {scores.n:,} images of {data.reference}", console)
    lines = {
        "accuracy": f"{scores.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}, Wilson)",
        "balanced accuracy": _share(scores.balanced_accuracy),
        "macro F1": _number(scores.macro_f1),
        "ROC AUC": f"{_number(scores.roc_auc)} (one class against the rest, mean of classes)",
        "log loss": f"{scores.log_loss:.3f} nats",
        "calibration": f"expected error (ECE) {scores.calibration.ece:.3f}",
    }
    for name, value in lines.items():
        print_line(f"{name:<17} {value}", console)
    _print_classes(scores, result.trained.classes, console)
    if result.tta is not None:
        _print_tta(scores, result.tta, console)
    if result.robustness is not None:
        _print_robustness(result.robustness, console)
    files = [name for name in NAMES if (result.folder / name).exists()]
    print_line(f"look at     {result.folder}: {', '.join(files)}", console)


def print_landscape(result: LandscapeResult, console: Console) -> None:
    """The loss at each minimum, and where the picture is."""
    for found in result.landscapes:
        losses = ", ".join(
            f"{split} {line[len(line) // 2]:.3f}" for split, line in found.lines.items()
        )
        print_line(f"{found.name}: loss at the minimum: {losses}", console)
    print_line(f"look at     {result.picture}", console)


def _print_classes(scores: Scores, names: tuple[str, ...], console: Console) -> None:
    pairs = list(zip(names, scores.classes, strict=True))
    title = "Classes"
    if len(pairs) > MOST_CLASSES:
        pairs = sorted(pairs, key=lambda pair: pair[1].f1 if pair[1].f1 is not None else 2.0)
        pairs = pairs[:MOST_CLASSES]
        title = f"The {MOST_CLASSES} of {len(names):,} classes with the lowest F1"
    rows = [["class", "images", "precision", "recall", "F1", "ROC AUC"]]
    for name, found in pairs:
        shares = (_share(found.precision), _share(found.recall))
        rows.append(
            [name, f"{found.samples:,}", *shares, _number(found.f1), _number(found.roc_auc)]
        )
    print_table(title, rows, console)


def _print_tta(plain: Scores, tta: TtaResult, console: Console) -> None:
    rows = [["", "accuracy", "log loss", "ECE"]]
    for name, scores in (("plain view", plain), (tta.about, tta.scores)):
        figures = (f"{scores.accuracy:.1%}", f"{scores.log_loss:.3f}")
        rows.append([name, *figures, f"{scores.calibration.ece:.3f}"])
    print_table("Test-time augmentation", rows, console)
    paired, (low, high) = tta.paired, tta.paired.interval
    if not paired.gained and not paired.lost:
        print_line("difference  none: no image was won or lost", console)
        return
    print_line(
        f"difference  {100 * paired.difference:+.1f} points (95 % interval {100 * low:+.1f} to "
        f"{100 * high:+.1f}, paired bootstrap; McNemar's exact p = {paired.p_value:.2g}): "
        f"{paired.gained:,} images won, {paired.lost:,} lost",
        console,
    )


def _print_robustness(robustness: Robustness, console: Console) -> None:
    rows = [["corruption", *map(str, SEVERITIES), "mean"]]
    means = robustness.by_name
    for name, row in zip(robustness.names, robustness.accuracies, strict=True):
        rows.append([name, *(f"{share:.1%}" for share in row), f"{means[name]:.1%}"])
    title = f"Accuracy under {robustness.calibration}'s corruptions, by severity"
    print_table(title, rows, console)
    groups = ", ".join(f"{group} {mean:.1%}" for group, mean in robustness.by_group.items())
    drop = robustness.relative_drop
    lost = "" if drop is None else f", {drop:.0%} less than {robustness.clean:.1%} without any"
    print_line(f"mean        {robustness.mean:.1%} under all of them{lost}: {groups}", console)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

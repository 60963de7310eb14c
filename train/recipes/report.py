"""The recipe's report: one HTML file with every training's record and pictures, and JSON.

Beside it are the best training's weights and options, so that the folder can be evaluated as a
run's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from augcli.manifests.files import copy_atomic, write_atomic
from augcli.train.command import command_line
from augcli.train.page import Page
from augcli.train.recipes.picture import draw_recipe
from augcli.train.record import RunFolder

if TYPE_CHECKING:
    from augcli.train.recipes.running import Done, RecipeResult

JSON_FILE, PAGE_FILE, PICTURE_FILE, BEST_FILE = (
    "recipe.json",
    "recipe.html",
    "recipe.png",
    "best.pt",
)
Table = list[list[str]]


def write_report(result: RecipeResult) -> None:
    """Write the report and the best training's weights and options into the recipe's folder."""
    draw_recipe(result.folder / PICTURE_FILE, result)
    write_atomic(result.folder / PAGE_FILE, str(_page(result)))
    best, own = RunFolder(result.best.result.folder), RunFolder(result.folder)
    copy_atomic(best.args, own.args)
    copy_atomic(best.best, result.folder / BEST_FILE)
    content = json.dumps(result.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(result.folder / JSON_FILE, content + "\n")


def steps_table(result: RecipeResult) -> Table:
    """What each training reached at its best epoch, for people; the one kept has a star."""
    head = ["training", "epochs", "lr", "s", "loss", "val. loss", "val. acc."]
    return [head, *(_line(done, kept=done is result.best) for done in result.steps)]


def summary(result: RecipeResult) -> str:
    """The result in a sentence."""
    best = result.best.result
    weights = f"weights of {result.best.step.name}, epoch {best.best_epoch}"
    if best.accuracy is None or best.interval is None:
        return f"{weights}: {result.folder / BEST_FILE}"
    low, high = best.interval
    return (
        f"{best.split} accuracy {best.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}), "
        f"{weights}: {result.folder / BEST_FILE}"
    )


def _line(done: Done, kept: bool) -> list[str]:
    best = done.best
    return [
        f"{done.step.name} *" if kept else done.step.name,
        str(len(done.result.rows)),
        f"{done.lr:.2g}",
        f"{sum(row.seconds for row in done.result.rows):.1f}",
        f"{best.train_loss:.4f}",
        "" if best.val_loss is None else f"{best.val_loss:.4f}",
        "" if best.val_accuracy is None else f"{best.val_accuracy:.1%}",
    ]


def _page(result: RecipeResult) -> Page:
    page = Page(f"Fine-tuning {result.config.model}, step by step")
    page.text(summary(result))
    page.table(steps_table(result))
    page.text("Each line is that training's best epoch by validation; * is the one kept.")
    page.picture(result.folder / PICTURE_FILE, "loss and accuracy by epoch")
    for done in result.steps:
        _add_step(page, done)
    page.heading("Again")
    page.code(command_line("recipe", result.config))
    return page


def _add_step(page: Page, done: Done) -> None:
    run = RunFolder(done.result.folder)
    page.heading(done.step.name)
    page.text(done.step.does[0].upper() + done.step.does[1:] + ".")
    if run.lr_find_picture.exists():
        page.text(f"Learning rate from a range test: {done.lr:.2g}.")
        page.picture(run.lr_find_picture, "loss over learning rate")
    page.picture(run.curves, "losses, accuracies and learning rate by epoch")
    if done.judgement is not None:
        page.text(f"Afterwards: {done.judgement.reason}.")
    page.code(command_line("train", done.step.config))

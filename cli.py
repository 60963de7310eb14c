"""The command line: options in, config out, one call per command.

Nothing heavy is imported before a command runs. Results go to stdout, progress and messages to
stderr; exit codes are 0, 1 (failed) and 2 (usage).
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from augcli.augment.config import ExpandConfig, PreviewConfig, VerifyConfig
from augcli.manifests.errors import AugcliError, interruptions_as_such, is_out_of_memory
from augcli.manifests.inputs import printable
from augcli.manifests.settings import option_name
from augcli.train.comparisons.config import AblateConfig, BenchmarkConfig
from augcli.train.config import ScheduleConfig, TrainConfig
from augcli.train.evaluation.config import EvaluateConfig, LandscapeConfig
from augcli.train.rates.config import LrFindConfig
from augcli.train.recipes.config import RecipeConfig
from augcli.train.sweeps.config import SweepConfig

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
INTERRUPTED = 130
NO_MEMORY = (
    "the memory ran out: free some, or use fewer --workers, or a smaller --batch-size where there "
    "is one"
)
TELLING_SECONDS = 1.0
"""For the process that tells of an error: torchrun ends all with the first that ends."""


class Commands(click.Group):
    """A group whose commands end with one clear line instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use, not of the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors that a user can cause become a message and an exit code."""
        try:
            with interruptions_as_such():
                return super().invoke(ctx)
        except AugcliError as error:
            if error.told_elsewhere:
                time.sleep(TELLING_SECONDS)
            else:
                _say(f"augcli: error: {error}", err=True)
            ctx.exit(error.exit_code)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            _say(f"augcli: error: {NO_MEMORY}", err=True)
            ctx.exit(1)
        except OSError as error:
            if error.filename is None:  # no file's fault: a pipe that was closed, or a bug
                raise
            _say(f"augcli: error: {error.filename}: {error.strerror}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("augcli: interrupted; what was finished is kept: run it again", err=True)
            ctx.exit(INTERRUPTED)


def options(config: type) -> Callable[[CommandT], CommandT]:
    """The options of a command: one for each field of its config, with that field's default."""

    def decorate(command: CommandT) -> CommandT:
        types_of = typing.get_type_hints(config)
        for field in reversed(dataclasses.fields(config)):
            command = _option(field, types_of[field.name])(command)
        return command

    return decorate


def _option(field: dataclasses.Field[Any], annotation: Any) -> Callable[[CommandT], CommandT]:
    name = option_name(field.name)
    plain = _without_none(annotation)
    shown: bool | str = field.metadata["shown_default"] or True
    common: dict[str, Any] = {
        "default": field.default,
        "help": field.metadata["help"],
        "show_default": shown,
    }
    if plain is bool:
        switch = f"{name}/--no-{name[2:]}" if field.default else name
        return click.option(switch, is_flag=True, **common)
    if plain == tuple[str, ...]:
        return click.option(name, multiple=True, default=(), help=field.metadata["help"])
    if field.metadata["flag_value"]:
        common |= {"is_flag": False, "flag_value": field.metadata["flag_value"]}
    choices = field.metadata["choices"]
    if annotation == float | str | None:
        words = "|".join(("FLOAT", *choices))
        return click.option(name, type=_number_or(choices), metavar=words, **common)
    kind = click.Choice(choices) if choices else _CLICK_TYPES[plain]
    return click.option(name, type=kind, **common)


def _number_or(words: tuple[str, ...]) -> Callable[[str], float | str]:
    """What reads a number, or one of a few words that stand for one."""

    def convert(value: str) -> float | str:
        return value if value in words else click.FLOAT(value)

    return convert


_CLICK_TYPES: dict[Any, Any] = {
    int: click.INT,
    float: click.FLOAT,
    str: click.STRING,
    Path: click.Path(path_type=Path),
}


def _without_none(annotation: Any) -> Any:
    if isinstance(annotation, types.UnionType):
        return next(part for part in typing.get_args(annotation) if part is not type(None))
    return annotation


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
)
run_argument = click.argument("run", type=click.Path(path_type=Path), metavar="RUN")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="augcli")
def main() -> None:
    """Augment images ahead of time or on the fly, train from either, and compare."""


@main.command()
@options(ExpandConfig)
@json_option
def expand(as_json: bool, **settings: Any) -> None:
    """Images -> augmented WebDataset shards, or folders, with a manifest.

    Run again to finish what was interrupted; with more copies, or when there are new images, to add
    them to a finished dataset.
    """
    from augcli.augment.expansion import expand as run

    with _Bar("expanding", quiet=as_json) as bar:
        result = run(
            ExpandConfig(**settings),
            report=lambda p: bar(p.views_done, p.views_planned, str(p)),
            tell=bar.say,
        )
    if as_json:
        _print_json(result.to_json())
    else:
        from augcli.augment.summary import print_expansion

        print_expansion(result, _stdout())


@main.command()
@options(PreviewConfig)
@json_option
def preview(as_json: bool, **settings: Any) -> None:
    """Pictures, or a page, of originals beside their augmented views."""
    from augcli.augment.previewing import preview as run

    result = run(PreviewConfig(**settings))
    if as_json:
        _print_json(result.to_json())
    else:
        for path in result.files:
            _say(str(path))
        _say(f"{len(result.keys)} images, {', '.join(result.policies)}")
        if result.left_out:
            click.echo(
                f"the page is full: {result.left_out} more images with --only-class", err=True
            )


@main.command()
@click.argument("dataset", metavar="DIR")
@options(VerifyConfig)
@json_option
def verify(dataset: str, as_json: bool, **settings: Any) -> None:
    """Check an expanded dataset, in a folder or at a URL; exit 1 with the list of faults."""
    from augcli.augment.verifying import verify as run

    with _Bar("verifying", quiet=as_json) as bar:
        result = run(dataset, VerifyConfig(**settings), report=bar)
    if as_json:
        _print_json(result.to_json())
    else:
        for line in result.lines():
            _say(line)
    if result.faults:
        sys.exit(1)


@main.command()
@options(TrainConfig)
@json_option
def train(as_json: bool, **settings: Any) -> None:
    """Train from shards or by augmenting on the fly. Ctrl-C saves; --resume goes on.

    Several GPUs or machines: torchrun --no-python --nproc-per-node N augcli train …
    """
    began = time.monotonic()  # before what takes seconds to import
    from augcli.train.live import LiveTable
    from augcli.train.run import train as run
    from augcli.train.summary import print_training
    from augcli.train.world import world_of_environment

    with LiveTable(quiet=as_json) as table:
        result = run(
            TrainConfig(**settings),
            report=table.row,
            progress=table.step,
            left_out=_tell_left_out,
            note=table.say,
            began=began,
        )
    if not world_of_environment().is_first:
        return
    if as_json:
        _print_json({"run": str(result.folder), **result.record})
    else:
        print_training(result, _stdout())


@main.command("lr-find")
@options(LrFindConfig)
@json_option
def lr_find(as_json: bool, **settings: Any) -> None:
    """The learning rate for a training: a range test, four suggestions and a picture.

    It takes a few steps at rising rates on a model that is thrown away.
    """
    from augcli.train.rates.finding import lr_find as run

    with _Bar("range test", quiet=as_json) as bar:
        result = run(
            LrFindConfig(**settings),
            report=lambda step, steps, loss: bar(step, steps, f"loss {loss:.3f}"),
            left_out=_tell_left_out,
            note=bar.say,
        )
    if as_json:
        _print_json(result.to_json())
    else:
        from augcli.train.rates.summary import print_range_test

        print_range_test(result, _stdout())
    if result.lr is None:
        sys.exit(1)


@main.command()
@options(SweepConfig)
@json_option
def sweep(as_json: bool, **settings: Any) -> None:
    """Train every combination of options, or those that a search picks, and compare them.

    Options that say so take several values, as --lr 1e-4,1e-3,1e-2; with --search random or tpe
    ranges too, as --lr 1e-5..1e-1. Run again to go on after Ctrl-C, or with other values to add.
    """
    from augcli.train.sweeps.summary import print_sweep
    from augcli.train.sweeps.sweeping import sweep as run

    with _Bar("sweep", quiet=as_json) as bar:
        result = run(
            SweepConfig(**settings),
            hear=lambda what, done, total: bar(done, total, what),
            tell=bar.say,
        )
    if as_json:
        _print_json({"folder": str(result.folder), **result.to_json()})
    else:
        print_sweep(result, _stdout())
    if result.failures:
        sys.exit(1)


@main.command()
@run_argument
@options(EvaluateConfig)
@json_option
def evaluate(run: Path, as_json: bool, **settings: Any) -> None:
    """Scores, calibration, mistakes, test-time augmentation and robustness of a trained model.

    RUN is a folder made by augcli train, or a checkpoint's file.
    """
    from augcli.train.evaluation.evaluating import evaluate_run

    with _Bar("evaluating", quiet=as_json) as bar:
        result = evaluate_run(
            run,
            EvaluateConfig(**settings),
            progress=lambda done, total: bar(done, total, ""),
            left_out=_tell_left_out,
            note=bar.say,
        )
    if as_json:
        _print_json({"folder": str(result.folder), **result.to_json()})
    else:
        from augcli.train.evaluation.summary import print_evaluation

        print_evaluation(result, _stdout())


@main.command()
@run_argument
@click.argument("other", type=click.Path(path_type=Path), metavar="[RUN2]", required=False)
@options(LandscapeConfig)
@json_option
def landscape(run: Path, other: Path | None, as_json: bool, **settings: Any) -> None:
    """The loss around the minimum of a run, or of two: a picture for understanding, no score."""
    from augcli.train.evaluation.landscape import landscape as measure

    with _Bar("walking", quiet=as_json) as bar:
        result = measure(
            [run] if other is None else [run, other],
            LandscapeConfig(**settings),
            progress=lambda done, total: bar(done, total, ""),
            note=bar.say,
        )
    if as_json:
        _print_json({"folder": str(result.folder), **result.to_json()})
    else:
        from augcli.train.evaluation.summary import print_landscape

        print_landscape(result, _stdout())


@main.command()
@options(RecipeConfig)
@json_option
def recipe(as_json: bool, **settings: Any) -> None:
    """Fine-tune in the eight steps: head on activations, on views, then all layers in cycles."""
    from augcli.train.printing import print_line, print_table
    from augcli.train.recipes.report import steps_table, summary
    from augcli.train.recipes.running import recipe as run
    from augcli.train.summary import row_line

    with _Bar("recipe", quiet=as_json) as bar:
        result = run(
            RecipeConfig(**settings),
            report=lambda name, row: bar.say(f"{name}: {row_line(row)}"),
            progress=lambda name, p: bar(p.batch, p.batches, f"{name}, epoch {p.epoch}"),
            note=bar.say,
        )
    if as_json:
        _print_json({"folder": str(result.folder), **result.to_json()})
    else:
        print_table("recipe", steps_table(result), _stdout())
        print_line(summary(result), _stdout())


@main.command()
@options(ScheduleConfig)
@json_option
def schedule(as_json: bool, **settings: Any) -> None:
    """The learning rate of a run, before it is run: key figures and a picture."""
    from augcli.train.scheduling import schedule as run

    result = run(ScheduleConfig(**settings))
    if as_json:
        _print_json(result.to_json())
    else:
        from augcli.train.summary import print_schedules

        print_schedules(result, _stdout())


@main.command()
@options(BenchmarkConfig)
@json_option
def benchmark(as_json: bool, **settings: Any) -> None:
    """Stored views, on the fly and none, compared: throughput, accuracy and a verdict.

    Everything finished is kept: run again to go on after Ctrl-C, or with more arms or seeds to add.
    """
    from augcli.train.comparisons.benchmarking import benchmark as run
    from augcli.train.comparisons.summary import print_benchmark

    with _Bar("benchmark", quiet=as_json) as bar:
        result = run(
            BenchmarkConfig(**settings),
            report=lambda what, done, total: bar(done, total, what),
            tell=bar.say,
        )
    if as_json:
        _print_json({"folder": str(result.folder), **result.to_json()})
    else:
        print_benchmark(result, _stdout())


@main.command()
@options(AblateConfig)
@json_option
def ablate(as_json: bool, **settings: Any) -> None:
    """Is each transform of a policy worth keeping? Each left out and alone: keep, drop, can't tell.

    Everything finished is kept: run again to go on after Ctrl-C, or with more seeds to add.
    """
    from augcli.train.comparisons.ablating import ablate as run
    from augcli.train.comparisons.ablation_report import print_ablation

    with _Bar("ablation", quiet=as_json) as bar:
        result = run(
            AblateConfig(**settings),
            report=lambda what, done, total: bar(done, total, what),
            tell=bar.say,
        )
    if as_json:
        _print_json({"folder": str(result.folder), **result.to_json()})
        return
    print_ablation(result.folder, result.ablation, result.analysis, _stdout())
    if result.kept_policy is not None:
        click.echo(f"without what is to be dropped: --policy {result.kept_policy}")


def _tell_left_out(failures: tuple[Any, ...]) -> None:
    for failure in failures:
        _say(f"not used: {failure.source}: {failure.reason}", err=True)


class _Bar:
    """A progress bar on stderr; silent when stderr is no terminal.

    It is there from the first report on: rich's thread must not run when workers are forked.
    """

    def __init__(self, title: str, quiet: bool) -> None:
        self._title = title
        self._quiet = quiet
        self._progress: Progress | None = None

    def __call__(self, done: int, total: int, note: str) -> None:
        """Show that `done` of `total` parts are done."""
        if self._quiet or not sys.stderr.isatty():
            return
        if self._progress is None:
            self._progress = _progress(self._title)
            self._progress.start()
        self._progress.update(self._progress.task_ids[0], completed=done, total=total, note=note)

    def say(self, line: str) -> None:
        """A line that stays, above the bar."""
        if self._quiet:
            return
        if self._progress is None:
            _say(line, err=True)
        else:
            self._progress.console.print(printable(line), highlight=False, soft_wrap=True)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()


def _progress(title: str) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True, markup=False),
        transient=True,
    )
    progress.add_task(title, total=None, note="")
    return progress


def _say(text: str, *, err: bool = False) -> None:
    click.echo(printable(text), err=err)


def _print_json(content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    click.echo(text.encode(errors="backslashreplace"))


def _stdout() -> Console:
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        def render_str(self, text: str, **style: Any) -> Text:
            return super().render_str(printable(text), **style)

    return Plain(highlight=False, markup=False)


if __name__ == "__main__":
    main()

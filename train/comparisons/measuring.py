"""All that a benchmark measures, in its order: what was measured earlier is not measured again."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from augcli.augment.config import ExpandConfig
from augcli.augment.corruptions.registry import parse_corruptions
from augcli.manifests.reference import Reference
from augcli.train.budget import parse_duration
from augcli.train.command import command_line
from augcli.train.comparisons.arms import Wanted
from augcli.train.comparisons.config import BenchmarkConfig
from augcli.train.comparisons.costs import expected_costs
from augcli.train.comparisons.expanding import Stored, all_expansions, expanded
from augcli.train.comparisons.folder import (
    EXPANDED,
    PEER_FOLDER,
    PLAN_FILE,
    RATES,
    RUNS,
    THROUGHPUT_FILE,
)
from augcli.train.comparisons.measurements import (
    MEASUREMENTS_FILE,
    VERSION,
    Arm,
    Measurements,
    PeerRow,
    Throughput,
    read_record,
    write_record,
)
from augcli.train.comparisons.parts import Hear, Parts
from augcli.train.comparisons.peers.measuring import peer_row, without_arm
from augcli.train.comparisons.peers.registry import PEERS, parse_peers
from augcli.train.comparisons.peers.work import PeerWork
from augcli.train.comparisons.plain import to_plain
from augcli.train.comparisons.planning import Plan, fewer_seeds, plan_within
from augcli.train.comparisons.setups import Setups, deciding
from augcli.train.comparisons.throughput import measure_throughput
from augcli.train.comparisons.training_all import Course, Rates, Trainer
from augcli.train.comparisons.trainings import Trainings
from augcli.train.config import TrainConfig
from augcli.train.dataset import open_dataset
from augcli.train.loader import loader_workers
from augcli.train.machine import describe_machine

Tell = Callable[[str], None]


@dataclass(frozen=True)
class KeptThroughput:
    """`throughput.json`: what was measured, and what it was decided by."""

    decided: dict[str, Any]
    throughput: Throughput


@dataclass(frozen=True)
class KeptPlan:
    """`plan.json`: what was planned for a `--budget`, and what it was decided by."""

    decided: dict[str, Any]
    plan: Plan


class Measuring:
    """One benchmark at work, in a folder that nobody else works in."""

    def __init__(
        self,
        config: BenchmarkConfig,
        wanted: Wanted,
        reference: Reference,
        hear: Hear | None = None,
        tell: Tell | None = None,
    ) -> None:
        """`hear` follows the parts; `tell` hears lines worth keeping."""
        self._began = time.monotonic()
        self._config, self._wanted, self._reference = config, wanted, reference
        self._tell = tell or (lambda line: None)
        self._machine = describe_machine()
        self._split = "test" if reference.of_split("test") else "val"
        self._wish = Plan(
            arms=tuple(arm.name for arm in wanted.arms),
            epochs=config.epochs,
            seeds=config.seeds,
            corruptions=config.corruptions is not None,
            peers=parse_peers(config.against),
        )
        self._parts = Parts(len(wanted.policies) + 1 + self._later_parts(self._wish), hear)

    def measure(self) -> Measurements:
        """Everything; leaves `measurements.json`.

        Raises:
            Interrupted, KeyboardInterrupt: what was finished is kept.
            AugcliError: something can't be made, trained or read.
        """
        config = self._config
        stored = {name: self._expanded(name) for name in self._wanted.policies}
        setups = Setups(config, stored)
        views = {arm.name: setups.views_identity(arm) for arm in self._wanted.arms}
        measured = self._throughput(setups, views)
        throughput = measured.throughput
        plan = self._plan(setups, measured)
        self._parts.total += self._later_parts(plan) - self._later_parts(self._wish)
        arms = tuple(arm for arm in self._wanted.arms if arm.name in plan.arms)
        rates = Rates(config.out / RATES, config.lr, self._wanted.baseline, self._tell)
        trainer = Trainer(setups, Trainings(config.out / RUNS, self._split), rates, views)
        course = Course(arms, plan.epochs, config.seeds, self._until())
        seeds = trainer.train(course, self._parts)
        corruptions = config.corruptions if plan.corruptions else None
        if corruptions is not None:
            trainer.corrupt(corruptions, parse_corruptions(corruptions), self._split, self._parts)
        manifest = setups.stored(arms[0]).manifest
        found = Measurements(
            version=VERSION,
            command=command_line("benchmark", config),
            config=to_plain(config),
            machine=self._machine,
            dataset=self._reference.name,
            classes=self._reference.classes,
            train_images=manifest.splits["train"].samples,
            test_images=manifest.splits[self._split].samples,
            split=self._split,
            arms=arms,
            throughput=dataclasses.replace(
                throughput, arms=tuple(throughput.of(arm.name) for arm in arms)
            ),
            expansions=tuple(
                expansion
                for one in stored.values()
                for expansion in all_expansions(one, _rounds_of(one.policy, arms))
            ),
            trainings=trainer.found(corruptions),
            policies=self._wanted.asked,
            gave_up=(*plan.gave_up, *fewer_seeds(config.seeds, seeds)),
            peers=tuple(self._peers(plan, arms, setups, views)),
            labels=self._labels(setups.training(arms[0])),
        )
        write_record(config.out / MEASUREMENTS_FILE, found)
        return found

    def _labels(self, config: TrainConfig) -> tuple[int, ...]:
        """Of the images that all are measured on."""
        with closing(open_dataset(config).views(self._split)) as views:
            return tuple(int(label) for label in views.samples.labels)

    def _later_parts(self, plan: Plan) -> int:
        """Those that come after throughput."""
        trainings = len(plan.arms) * self._config.seeds
        return trainings + plan.corruptions + len(plan.peers)

    def _until(self) -> float | None:
        """When the budget ends, in `time.monotonic`'s time."""
        if self._config.budget is None:
            return None
        return self._began + parse_duration("--budget", self._config.budget)

    def _expanded(self, policy: str) -> Stored:
        config, arms = self._config, self._wanted.arms
        copies = max((arm.copies or 0 for arm in arms if arm.policy == policy), default=0)
        self._parts.at(f"expanding {policy}")
        stored = expanded(
            config.out / EXPANDED,
            ExpandConfig(
                data=config.data,
                copies=copies,
                policy=self._wanted.named[policy],
                size=config.size,
                codec=config.codec,
            ),
            self._wanted.policies[policy],
            {"data": self._reference.fingerprint(), "machine": self._hardware()},
            lambda what, done, total: self._parts.at(f"{what}, {done:,} of {total:,} views"),
            self._tell,
        )
        self._parts.end()
        return stored

    def _hardware(self) -> dict[str, Any]:
        """What times depend on beside the work."""
        return {name: self._machine[name] for name in ("processor", "cores", "cuda")}

    def _throughput(self, setups: Setups, views: dict[str, str]) -> KeptThroughput:
        """Measured for all arms together, or kept from an earlier call with the same ones."""
        path, arms = self._config.out / THROUGHPUT_FILE, self._wanted.arms
        options = {arm.name: deciding(setups.training(arm)) for arm in arms}
        for decides_nothing in options.values():
            decides_nothing.pop("epochs", None)
        decided = {
            "options": options,
            "views": views,
            "how": [self._config.memory, self._config.workers, self._config.device],
            "machine": self._machine,
        }
        self._parts.at("throughput")
        kept = read_record(path, KeptThroughput) if path.exists() else None
        if kept is None or kept.decided != decided:
            found = measure_throughput(
                setups,
                arms,
                self._config.memory,
                lambda done, turns: self._parts.at(f"throughput, turn {done} of {turns}"),
            )
            kept = KeptThroughput(decided, found)
            write_record(path, kept)
        self._parts.end()
        return kept

    def _plan(self, setups: Setups, measured: KeptThroughput) -> Plan:
        """All that is wished for, or what of it fits the budget.

        That stays, once decided, while costs are decided by the same.
        """
        config, until = self._config, self._until()
        if until is None:
            return self._wish
        path = config.out / PLAN_FILE
        wish = to_plain(self._wish)
        decided = {"wish": wish, "budget": config.budget, "costs": measured.decided}
        if path.exists() and (kept := read_record(path, KeptPlan)).decided == decided:
            return kept.plan
        names = () if config.corruptions is None else parse_corruptions(config.corruptions)
        costs = expected_costs(setups, self._wanted.arms, measured.throughput, self._split, names)
        plan = plan_within(self._wish, self._wanted.arms, costs, until - time.monotonic())
        write_record(path, KeptPlan(decided, plan))
        for line in plan.gave_up:
            self._tell(f"--budget {config.budget}: {line}")
        return plan

    def _peers(
        self, plan: Plan, arms: tuple[Arm, ...], setups: Setups, views: dict[str, str]
    ) -> Iterator[PeerRow]:
        """Each peer beside the arm whose work it does: of several, the last."""
        config = self._config
        for name in plan.peers:
            self._parts.at(f"against {name}")
            alike = [arm for arm in arms if arm.source == PEERS[name].source and not arm.residual]
            if not alike:
                yield without_arm(name)
                continue
            work = PeerWork(
                dataset=str(setups.stored(alike[-1]).folder),
                data=config.data,
                folder=str(config.out / PEER_FOLDER / name),
                size=config.size,
                batch_size=config.batch_size,
                workers=loader_workers() if config.workers is None else config.workers,
            )
            decided = {"views": views[alike[-1].name], "machine": self._hardware()}
            yield peer_row(name, alike[-1].name, work, decided)
            self._parts.end()


def _rounds_of(policy: str, arms: tuple[Arm, ...]) -> set[int]:
    return {arm.rounds for arm in arms if arm.policy == policy and arm.rounds is not None}

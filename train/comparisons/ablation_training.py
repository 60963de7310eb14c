"""The trainings of an ablation, on the fly from stored originals that are decoded once for all."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from augcli.augment.config import ExpandConfig
from augcli.augment.policy import PolicySpec, resolve_policy
from augcli.augment.policy_parts import part_names, policy_file_text
from augcli.manifests.files import write_atomic
from augcli.manifests.hashing import fingerprint
from augcli.manifests.reference import Reference
from augcli.train.command import command_line
from augcli.train.comparisons.ablation_record import ABLATION_VERSION, NOTHING, WHOLE, Ablation
from augcli.train.comparisons.config import AblateConfig
from augcli.train.comparisons.expanding import Stored, Tell, expanded
from augcli.train.comparisons.folder import EXPANDED, POLICIES, RATES, RUNS
from augcli.train.comparisons.learning_rates import found_rate
from augcli.train.comparisons.measurements import MEASUREMENTS_FILE, Training, write_record
from augcli.train.comparisons.parts import Hear, Parts
from augcli.train.comparisons.plain import to_plain
from augcli.train.comparisons.setups import shared_options, views_identity
from augcli.train.comparisons.trainings import Trainings, Wanted
from augcli.train.config import AUTO_LR, TrainConfig
from augcli.train.config import NONE as NO_CHOICE
from augcli.train.dataset import open_dataset
from augcli.train.machine import describe_machine
from augcli.train.record import Row
from augcli.train.sweeps.naming import readable_name

LOSSLESS = "png"


class Ablating:
    """One ablation at work, in a folder that nobody else works in."""

    def __init__(
        self,
        config: AblateConfig,
        policy: PolicySpec,
        reference: Reference,
        hear: Hear | None,
        tell: Tell,
    ) -> None:
        """`hear` follows the parts; `tell` hears lines worth keeping."""
        self._config, self._policy, self._reference, self._tell = config, policy, reference, tell
        # Transforms are hyper-parameters: what is chosen by test images is not tested by them.
        self._split = "val" if reference.of_split("val") else "test"
        self._trainings = Trainings(config.out / RUNS, self._split)
        self._parts = Parts(0, hear)

    def measure(self, wanted: Mapping[str, Mapping[str, Any]]) -> Ablation:
        """Train with each of these policies, by arm; leaves `measurements.json`.

        Raises:
            Interrupted, KeyboardInterrupt: what was finished is kept.
            AugcliError: something can't be made, trained or read.
        """
        config = self._config
        texts = {arm: json.dumps(policy, sort_keys=True) for arm, policy in wanted.items()}
        self._parts.total = 1 + len(set(texts.values())) * config.seeds
        stored = self._originals()
        identity = views_identity(stored, policy=False)
        self._runs = {
            arm: Wanted(
                arm, self._training(stored, arm, policy), fingerprint([identity, texts[arm]])
            )
            for arm, policy in wanted.items()
        }
        lr = self._lr()
        trainings = []
        for seed in range(config.seeds):
            done: dict[str, Training] = {}  # of a policy with one transform, some are the same
            for arm, text in texts.items():
                if text not in done:
                    done[text] = self._train(arm, seed, lr)
                trainings.append(dataclasses.replace(done[text], arm=arm))
        manifest = stored.manifest
        with closing(open_dataset(self._runs[WHOLE].config).views(self._split)) as views:
            labels = tuple(views.samples.labels.tolist())
        found = Ablation(
            version=ABLATION_VERSION,
            command=command_line("ablate", config),
            config=to_plain(config),
            machine=describe_machine(),
            dataset=self._reference.name,
            classes=self._reference.classes,
            train_images=manifest.splits["train"].samples,
            test_images=manifest.splits[self._split].samples,
            split=self._split,
            policy=self._policy.name,
            transforms=part_names(self._policy.serialized),
            trainings=tuple(trainings),
            labels=labels,
        )
        write_record(config.out / MEASUREMENTS_FILE, found)
        return found

    def _originals(self) -> Stored:
        """The fitted images, decoded once for all trainings."""
        config = self._config
        self._parts.at("storing originals")
        none = resolve_policy("none", config.size)
        stored = expanded(
            config.out / EXPANDED,
            ExpandConfig(
                data=config.data, copies=0, policy="none", size=config.size, codec=LOSSLESS
            ),
            none,
            {"data": self._reference.fingerprint()},
            lambda what, done, total: self._parts.at(f"storing originals, {done:,} of {total:,}"),
            self._tell,
        )
        self._parts.end()
        return stored

    def _training(self, stored: Stored, arm: str, policy: Mapping[str, Any]) -> TrainConfig:
        path = self._config.out / POLICIES / f"{readable_name(arm)}.yaml"
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, policy_file_text(policy))
        lr = None if self._config.lr == AUTO_LR else self._config.lr
        augments = arm != NOTHING
        return TrainConfig(
            **shared_options(self._config),
            source="on-the-fly" if augments else "none",
            policy=str(path) if augments else None,
            shards=str(stored.folder),
            from_originals=True,
            residual=NO_CHOICE,
            lr=lr,
        )

    def _lr(self) -> float | str | None:
        """One for all; `auto` finds it with the whole policy."""
        if self._config.lr != AUTO_LR:
            return self._config.lr
        return found_rate(self._config.out / RATES, self._runs[WHOLE], self._tell)

    def _train(self, arm: str, seed: int, lr: float | str | None) -> Training:
        what = f"{arm}, seed {seed}"
        self._parts.at(what)
        run = self._runs[arm]
        run = dataclasses.replace(run, config=dataclasses.replace(run.config, seed=seed, lr=lr))

        def hear(row: Row) -> None:
            self._parts.at(f"{what}, epoch {row.epoch} of {self._config.epochs}")

        kept = self._trainings.kept(run) or self._trainings.train(run, hear)
        self._parts.end()
        return kept.training

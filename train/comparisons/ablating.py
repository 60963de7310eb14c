"""`augcli ablate`: is each transform of a policy worth keeping? Trainings, and what they decide.

All train on the fly from the same stored originals, lossless, by the whole policy, by what is left
of it, and by none; for each seed with the same initial weights, order and number of steps. What is
finished is kept in `--out`: the same command, given again, goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.augment.config import default_policy
from augcli.augment.policy import PolicySpec, resolve_policy
from augcli.augment.policy_parts import part_names, policy_file_text, with_parts
from augcli.manifests.files import write_atomic
from augcli.manifests.settings import check_settings
from augcli.train.command import command_line
from augcli.train.comparisons.ablation_analysis import DROP, AblationAnalysis, analyse_ablation
from augcli.train.comparisons.ablation_plan import variants
from augcli.train.comparisons.ablation_record import Ablation
from augcli.train.comparisons.ablation_report import ABLATION_FILES, ablation_json, write_ablation
from augcli.train.comparisons.ablation_training import Ablating
from augcli.train.comparisons.checks import check_machinery, compared_on, how_to_go_on
from augcli.train.comparisons.config import AblateConfig
from augcli.train.comparisons.expanding import Tell
from augcli.train.comparisons.folder import EXPANDED, POLICIES, RATES, RUNS, OwnNames, own_folder
from augcli.train.comparisons.measurements import MEASUREMENTS_FILE
from augcli.train.comparisons.parts import Hear
from augcli.train.comparisons.sample_views import transform_strips
from augcli.train.faults import told

KEPT_POLICY = "kept.yaml"
ABLATION = OwnNames(
    "ablate", (EXPANDED, POLICIES, RATES, RUNS), (MEASUREMENTS_FILE, KEPT_POLICY, *ABLATION_FILES)
)


@dataclass(frozen=True)
class AblationResult:
    """What was measured, and what it decides.

    `kept_policy` is a file with the policy less the transforms to be dropped; None if there are
    none.
    """

    folder: Path
    ablation: Ablation
    analysis: AblationAnalysis
    kept_policy: Path | None

    def to_json(self) -> dict[str, Any]:
        """The object of `ablation.json` and of `--json`."""
        return ablation_json(self.ablation, self.analysis)


def ablate(
    config: AblateConfig, report: Hear | None = None, tell: Tell | None = None
) -> AblationResult:
    """Train with the whole policy, each transform left out and alone, and none, and decide.

    `report` hears what is being done, and how many of how many trainings are done; `tell` hears
    lines worth keeping.

    Raises:
        UsageError: a bad option, policy or dataset, or an `out` that holds other things.
        Interrupted: SIGINT or SIGTERM came; what was finished is kept.
        AugcliError: nothing to train or to compare on, a training that failed, or a file that
            can't be written.
    """
    config = check_settings(config)
    check_machinery("ablate", config.model, config.device)
    named = config.policy or default_policy(config.data)
    policy = resolve_policy(named, config.size)
    wanted = variants(policy, alone=config.alone)
    reference = compared_on(config.data, config.out)
    with (
        own_folder(config.out, ABLATION),
        told(config.out, lambda: "then run the ablation again"),
        how_to_go_on(config.out, command_line("ablate", config)),
    ):
        ablating = Ablating(config, policy, reference, report, tell or (lambda line: None))
        ablation = ablating.measure(wanted)
        analysis = analyse_ablation(ablation)
        strips = transform_strips(config.data, named, config.size)
        write_ablation(config.out, ablation, analysis, strips)
        return AblationResult(config.out, ablation, analysis, _kept(config.out, policy, analysis))


def _kept(out: Path, policy: PolicySpec, analysis: AblationAnalysis) -> Path | None:
    """Write the policy less what is to be dropped, if anything is."""
    dropped = {row.transform for row in analysis.decided(DROP)}
    path = out / KEPT_POLICY
    if not dropped:
        path.unlink(missing_ok=True)
        return None
    whole = policy.serialized
    kept = with_parts(whole, [name for name in part_names(whole) if name not in dropped])
    write_atomic(path, policy_file_text(kept))
    return path

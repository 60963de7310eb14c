"""Which arms a benchmark has: plain records, made of its options before anything else is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from augcli.augment.config import default_policy
from augcli.augment.policy import PolicySpec, resolve_policy
from augcli.augment.policy_source import policy_list, recorded_name
from augcli.manifests.errors import UsageError
from augcli.manifests.inputs import shown
from augcli.train.comparisons.config import DEFAULT_ARMS, BenchmarkConfig
from augcli.train.comparisons.measurements import FRESH, NONE, ORIGINALS, SHARDS, Arm
from augcli.train.config import AUTO
from augcli.train.residual_choice import residual_for
from augcli.train.residual_spec import parse_residual

RESIDUAL = "residual"
KINDS = (NONE, FRESH, SHARDS, RESIDUAL, ORIGINALS)
MOST_COPIES = 10_000


@dataclass(frozen=True)
class Wanted:
    """Arms in the order of the report, and the policies that they have, by name."""

    arms: tuple[Arm, ...]
    policies: dict[str, PolicySpec]
    """Those that augment, as `Arm.policy` names them."""
    named: dict[str, str]
    """The same as the user wrote them: a file with its folder."""
    asked: tuple[str, ...]
    """All names, in the order in which they were asked for, `none` among them if it was."""

    @property
    def baseline(self) -> Arm:
        """On the fly, or whatever comes first."""
        return next((arm for arm in self.arms if arm.source == FRESH), self.arms[0])


def wanted_arms(config: BenchmarkConfig) -> Wanted:
    """The arms that `config` asks for.

    Raises:
        UsageError: an unknown arm or policy, or options that exclude each other.
    """
    kinds, copies = _kinds(config), _copies(config.copies)
    named = _named_policies(config)
    asked = tuple(named)
    if named.pop(NONE, None) is not None:
        kinds = (NONE, *(kind for kind in kinds if kind != NONE))
    policies = {name: resolve_policy(text, config.size) for name, text in named.items()}
    arms = []
    if NONE in kinds:
        arms.append(Arm(NONE, NONE, NONE))
    for name, spec in policies.items():
        suffix = "" if config.policies is None else f":{name}"
        residual = _residual(config.residual, spec) if RESIDUAL in kinds else None
        arms += _arms(kinds, name, suffix, copies, residual)
    if len(arms) < 2:
        raise UsageError("--arms, --policy: one arm alone can't be compared: name another one")
    return Wanted(tuple(arms), policies, named, asked)


def _kinds(config: BenchmarkConfig) -> tuple[str, ...]:
    """The kinds of arms, in the order of `KINDS`."""
    text = config.arms
    if text is None:
        text = DEFAULT_ARMS + (f",{RESIDUAL}" if config.residual is not None else "")
    asked = [word.strip() for word in text.split(",")]
    for word in asked:
        if word not in KINDS:
            raise UsageError(
                f"--arms {shown(text)}: unknown arm '{shown(word)}': choose from {', '.join(KINDS)}"
            )
    if config.residual is not None and RESIDUAL not in asked:
        raise UsageError(f"--residual: --arms {shown(text)} has no arm '{RESIDUAL}' that it is for")
    return tuple(kind for kind in KINDS if kind in asked)


def _copies(text: str) -> tuple[int, ...]:
    """Rising, each once."""
    found = set()
    for word in text.split(","):
        if not word.strip().isdecimal() or not 1 <= int(word) <= MOST_COPIES:
            raise UsageError(
                f"--copies {shown(text)}: '{shown(word)}' is no number of copies: expected whole "
                f"numbers from 1 to {MOST_COPIES}, as 1,2,5,10"
            )
        found.add(int(word))
    return tuple(sorted(found))


def _named_policies(config: BenchmarkConfig) -> dict[str, str]:
    """What the user wrote for each policy, by the name that records keep."""
    if config.policies is None:
        text = config.policy or default_policy(config.data)
        return {recorded_name(text): text}
    if config.policy is not None:
        raise UsageError("--policy and --policies exclude each other: give one of them")
    named: dict[str, str] = {}
    for text in policy_list(config.policies):
        if not text:
            raise UsageError(f"--policies {shown(config.policies)}: a name is missing")
        name = recorded_name(text)
        if name in named:
            raise UsageError(
                f"--policies {shown(config.policies)}: {name} is there twice: give each a name of "
                "its own"
            )
        named[name] = text
    return named


def _arms(
    kinds: Sequence[str], name: str, suffix: str, copies: Sequence[int], residual: str | None
) -> Iterator[Arm]:
    """The arms of one policy; `suffix` ends their names."""
    if FRESH in kinds:
        yield Arm(FRESH + suffix, FRESH, name)
    if SHARDS in kinds:
        for count in copies:
            yield Arm(f"shards-{count}{suffix}", SHARDS, name, rounds=count + 1)
    if RESIDUAL in kinds:
        few = copies[0]
        yield Arm(f"shards-{few}+residual{suffix}", SHARDS, name, few + 1, residual)
    if ORIGINALS in kinds:
        yield Arm(f"originals+on-the-fly{suffix}", ORIGINALS, name, rounds=1)


def _residual(asked: str | None, policy: PolicySpec) -> str:
    """As training records it; by default what `augcli train` would add to the policy."""
    if asked is None or asked == AUTO:
        asked = residual_for([policy.serialized])
    if asked is None:
        raise UsageError(
            f"--residual {AUTO}: nothing goes with {policy.name}: give it a value, as flip,shift"
        )
    return str(parse_residual(asked))

"""What augcli tells people when it can't go on.

Every error that a user can cause is one of these two, so that the command line can turn it into
one clear line and an exit code. Anything else that escapes is a bug in augcli.
"""

from __future__ import annotations


class AugcliError(Exception):
    """The work failed: the message names the file or key, what was expected and what to do."""

    exit_code = 1
    told_elsewhere = False
    """Whether another process of the same command tells it, so that this one need not."""


class UsageError(AugcliError):
    """The request was wrong: an unknown name, a bad value, a file that is not what it should be."""

    exit_code = 2


def unknown_name(kind: str, name: object, choices: object) -> UsageError:
    """A `UsageError` for `name`, which is not among `choices` (any iterable of names)."""
    listed = ", ".join(sorted(str(choice) for choice in choices))  # type: ignore[attr-defined]
    return UsageError(f"unknown {kind} '{name}': choose from {listed}")

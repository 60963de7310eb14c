"""What augcli tells people when it can't go on.

Every error that a user can cause is one of these, so that the command line can turn it into
one clear line and an exit code. Anything else that escapes is a bug in augcli.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class AugcliError(Exception):
    """The work failed: the message names the file or key, what was expected and what to do."""

    exit_code = 1
    told_elsewhere = False
    """Whether another process of the same command tells it, so that this one need not."""


class UsageError(AugcliError):
    """The request was wrong: an unknown name, a bad value, a file that is not what it should be."""

    exit_code = 2


class Interrupted(AugcliError):  # noqa: N818 - it says what happened, as KeyboardInterrupt does
    """A signal stopped the work, which was saved; exits with 128 + the signal's number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
        """130 for SIGINT, 143 for SIGTERM, as shells report them."""


@contextmanager
def interruptions_as_such() -> Iterator[None]:
    """Raise KeyboardInterrupt instead of an error that came of one.

    Ctrl-C may fall into anybody's code: a lock's, that then says it "cannot release" itself, or a
    third party's, that makes an error of its own of it.
    """
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt:
        _let_exit_codes_count()
        raise
    except Exception as error:
        if _came_of_interruption(error):
            _let_exit_codes_count()
            raise KeyboardInterrupt from error
        raise


def _let_exit_codes_count() -> None:
    """Have CPython forget an interruption that fell into an `exec` of text, as dataclasses do it.

    It remembers one until the next `exec`, and `python -m` then ends by SIGINT, whatever was made
    of it.
    """
    exec("")


def _came_of_interruption(error: BaseException) -> bool:
    before: BaseException | None = error
    while before is not None:
        if isinstance(before, KeyboardInterrupt):
            return True
        before = before.__cause__ or before.__context__
    return False


def is_out_of_memory(error: Exception) -> bool:
    """Whether `error` says that memory ran out; torch, which isn't imported here, has its own."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )


def unknown_name(kind: str, name: object, choices: object) -> UsageError:
    """A `UsageError` for `name`, which is not among `choices` (any iterable of names)."""
    listed = ", ".join(sorted(str(choice) for choice in choices))  # type: ignore[attr-defined]
    return UsageError(f"unknown {kind} '{name}': choose from {listed}")

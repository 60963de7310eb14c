"""The first signal asks, the second insists, and the handlers of before come back."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack

import pytest

from augcli.manifests.errors import Interrupted
from augcli.train.stop import SIGNALS, StopRequest


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_only_sets_a_flag(number: signal.Signals) -> None:
    with StopRequest() as stop:
        assert stop.signal is None
        signal.raise_signal(number)
        assert stop.signal == number


@pytest.mark.parametrize("first", SIGNALS)
def test_a_sigint_after_that_raises(first: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), StopRequest():
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGINT)


def test_ranks_stop_when_all_know_of_it() -> None:
    with StopRequest(agreed=True) as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal is None
        assert stop.votes == [0, 1]
        stop.count([0, 0])
        assert stop.signal is None
        stop.count([0, 3])
        assert stop.signal == signal.SIGTERM
        stop.count([1, 3])
        assert stop.signal == signal.SIGTERM
    with StopRequest(agreed=True) as stop:
        stop.count([2, 1])
        assert stop.signal == SIGNALS[0]


def test_listening_may_begin_later() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    stop = StopRequest()
    with ExitStack() as stack:
        stack.push(stop)
        assert [signal.getsignal(number) for number in SIGNALS] == before
        stop.listen()
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_handlers_come_back_also_after_an_error() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyError), StopRequest():
        assert [signal.getsignal(number) for number in SIGNALS] != before
        raise KeyError
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.signal is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_off_the_main_thread_nothing_happens() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    seen: list[object] = []

    def work() -> None:
        with StopRequest() as stop:
            seen.extend(signal.getsignal(number) for number in SIGNALS)
            seen.append(stop.signal)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [*before, None]


def test_exit_codes_are_those_of_shells() -> None:
    assert Interrupted("", signal.SIGINT).exit_code == 130
    assert Interrupted("", signal.SIGTERM).exit_code == 143

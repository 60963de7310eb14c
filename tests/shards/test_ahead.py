"""What is kept open and fetched ahead: the next ones, within bounds, in whatever order is read."""

from __future__ import annotations

import mmap
import os
import signal
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator

import pytest

from augcli.shards import ahead
from augcli.shards.ahead import OpenShards
from augcli.shards.stop import Stop

NAMES = "abcdefghij"
Eventually = Callable[[Callable[[], object]], None]


class Opener:
    """Opens shards as maps of their names, counts, and can be made to wait or to fail."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.threads: dict[str, str] = {}
        self.failures: dict[str, Exception] = {}
        self.may_go = threading.Event()
        self.may_go.set()
        self.opening: set[str] = set()

    def __call__(self, shard: str, stop: Stop) -> mmap.mmap:
        self.opening.add(shard)
        self.threads[shard] = threading.current_thread().name
        while not self.may_go.wait(0.01):
            stop.check()
        self.opening.discard(shard)
        self.opened.append(shard)
        if shard in self.failures:
            raise self.failures.pop(shard)
        mapped = mmap.mmap(-1, 1)
        mapped[:] = shard.encode()
        return mapped


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
def make(opener: Opener) -> Iterator[Callable[..., OpenShards]]:
    """Shards a to j of ten bytes each, two of them fetched ahead, with room for all."""
    made = []

    def make(room: int = 1000, ahead: int = 2) -> OpenShards:
        shards = OpenShards(opener, dict.fromkeys(NAMES, 10), room, ahead)
        made.append(shards)
        return shards

    yield make
    opener.may_go.set()
    for shards in made:
        shards.close()


def read(shards: OpenShards, names: str) -> None:
    for name in names:
        assert shards.get(name)[:] == name.encode()


def test_opened_once(make: Callable[..., OpenShards], opener: Opener) -> None:
    read(make(), "abacab")
    assert opener.opened == list("abc")


def test_the_first_ones_come_before_any_is_read(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    make().expect("abcdef")
    eventually(lambda: sorted(opener.opened) == ["a", "b"])
    assert {opener.threads[name] for name in "ab"} == {"augcli-ahead"}


def test_the_next_ones_come_while_one_is_read(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    shards = make()
    shards.expect("abcdef")
    for number, name in enumerate("abcd", 1):
        read(shards, name)
        eventually(lambda known=number: len(opener.opened) == known + 2)
        assert sorted(opener.opened) == list("abcdef"[: number + 2])
        assert not opener.opening


def test_not_more_than_so_many_at_once(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    opener.may_go.clear()
    make(ahead=3).expect("abcdefgh")
    eventually(lambda: len(opener.opening) == 3)
    assert opener.opening == set("abc")


def test_none_ahead(make: Callable[..., OpenShards], opener: Opener) -> None:
    shards = make(ahead=0)
    shards.expect("abc")
    read(shards, "abc")
    assert set(opener.threads.values()) == {"MainThread"}


def test_only_what_fits(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    """Else what was fetched ahead would be deleted before it is read."""
    shards = make(room=35, ahead=5)
    shards.expect("abcdef")
    eventually(lambda: len(opener.opened) == 3)
    read(shards, "a")
    assert sorted(opener.opened) == ["a", "b", "c"]
    read(shards, "b")
    eventually(lambda: len(opener.opened) == 4)
    assert set(shards._maps) <= set("bcd")
    read(shards, "cdef")
    assert sorted(opener.opened) == list("abcdef")


def test_a_shard_larger_than_the_room(make: Callable[..., OpenShards], opener: Opener) -> None:
    shards = make(room=5)
    shards.expect("abc")
    read(shards, "aabbcc")
    assert opener.opened == ["a", "b", "c"]
    assert list(shards._maps) == ["c"]


def test_maps_are_few(
    make: Callable[..., OpenShards], opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "MAX_MAPS", 4)
    shards = make()
    read(shards, "abcdaefg")
    assert list(shards._maps) == list("aefg")


def test_those_that_were_passed_go(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    """Each loader process has maps, and what they hold is on the disk even when it is deleted."""
    shards = make(ahead=1)
    shards.expect(NAMES)
    for name in NAMES:
        read(shards, name)
        assert len(shards._maps) <= 4
    eventually(lambda: set("ij") <= set(shards._maps))
    assert sorted(opener.opened) == list(NAMES)


def test_shards_read_in_turns(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    """As with a shuffle buffer: going back to one that was passed moves nothing."""
    shards = make()
    shards.expect("abcdefg")
    read(shards, "ababababcbcb")
    eventually(lambda: len(opener.opened) == 5)
    read(shards, "abc" * 5)
    assert sorted(opener.opened) == list("abcde")


def test_a_leap(make: Callable[..., OpenShards], opener: Opener, eventually: Eventually) -> None:
    shards = make()
    shards.expect("abcdefghij")
    read(shards, "f")
    eventually(lambda: {"f", "g", "h"} <= set(opener.opened))
    assert set(opener.opened) <= set("abfgh")


def test_the_same_shards_again(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    """Two epochs in one order, and a small room: the second round is fetched ahead, too."""
    shards = make(room=35)
    shards.expect("abcdeabcde")
    for name in "abcde":
        read(shards, name)
    eventually(lambda: {"a", "b", "e"} == set(shards._maps))
    assert opener.opened.count("b") == 2 and opener.threads["b"] == "augcli-ahead"


def test_repeats_count_once(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    make().expect("aaaabbbbccc")
    eventually(lambda: sorted(opener.opened) == ["a", "b"])


def test_another_order(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    shards = make()
    shards.expect("abc")
    read(shards, "a")
    shards.expect("ghi")
    eventually(lambda: {"g", "h"} <= set(opener.opened))
    read(shards, "g")
    eventually(lambda: "i" in opener.opened)


def test_readers_wait_for_what_is_on_its_way(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    opener.may_go.clear()
    shards = make(ahead=1)
    shards.expect("a")
    eventually(lambda: opener.opening)
    readers = [threading.Thread(target=read, args=(shards, "a")) for _ in range(4)]
    for reader in readers:
        reader.start()
    opener.may_go.set()
    for reader in readers:
        reader.join()
    assert opener.opened == ["a"]


def test_readers_do_not_wait_for_others(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    """What isn't on its way is fetched by the reader itself, and open ones are at hand."""
    shards = make()
    read(shards, "j")
    opener.may_go.clear()
    shards.expect("abc")
    eventually(lambda: opener.opening == {"a", "b"})
    read(shards, "j")
    reader = threading.Thread(target=read, args=(shards, "h"))
    reader.start()
    eventually(lambda: "h" in opener.opening)
    opener.may_go.set()
    reader.join()


def test_a_failure_in_the_background_reaches_the_reader(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    opener.failures = {"b": OSError("bad"), "c": KeyError("even a bug")}
    shards = make()
    shards.expect("abcd")
    read(shards, "a")
    eventually(lambda: sorted(opener.opened) == ["a", "b", "c"])
    with pytest.raises(OSError, match="bad"):
        read(shards, "b")
    with pytest.raises(KeyError):
        read(shards, "c")
    read(shards, "bcd")
    assert opener.opened.count("b") == 2, "asked again, it is tried again"


def test_a_failure_here_is_raised_here(make: Callable[..., OpenShards], opener: Opener) -> None:
    opener.failures = {"a": OSError("bad")}
    shards = make()
    with pytest.raises(OSError, match="bad"):
        read(shards, "a")
    read(shards, "a")


def test_a_new_order_forgets_failures(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    opener.failures = {"a": OSError("bad")}
    shards = make()
    shards.expect("ab")
    eventually(lambda: len(opener.opened) == 2)
    shards.expect("ab")
    eventually(lambda: opener.opened.count("a") == 2)
    read(shards, "ab")


def background() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "augcli-ahead"]


def test_closing_stops_the_threads(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    """Also those in the middle of a download."""
    opener.may_go.clear()
    shards = make()
    shards.expect("abcd")
    eventually(lambda: len(opener.opening) == 2)
    shards.close()
    shards.close()
    assert background() == []
    assert opener.opened == []
    opener.may_go.set()
    read(shards, "abc")
    shards.expect("defg")
    read(shards, "d")
    eventually(lambda: {"e", "f"} <= set(opener.opened))


def test_closing_lets_maps_go(make: Callable[..., OpenShards]) -> None:
    shards = make()
    mapped = weakref.ref(shards.get("a"))
    assert mapped() is not None
    shards.close()
    assert mapped() is None


def test_halting_takes_no_lock(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    """Garbage may be collected in any line, also where the lock is held."""
    shards = make()
    shards.expect("abcd")
    with shards._changed:
        done = threading.Thread(target=shards.halt)
        done.start()
        done.join(5)
        assert not done.is_alive()
    eventually(lambda: background() == [])


def test_a_fork_begins_anew(
    make: Callable[..., OpenShards], opener: Opener, eventually: Eventually
) -> None:
    """Though it was made while a thread had the lock, and another fetched what it will read."""
    opener.may_go.clear()
    shards = make()
    shards.expect("abcd")
    eventually(lambda: len(opener.opening) == 2)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with shards._changed:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some Pythons warn of forks beside threads
        child = os.fork()
    if child == 0:
        signal.alarm(10)
        opener.may_go = threading.Event()
        opener.may_go.set()
        read(shards, "abc")
        shards.expect("efgh")
        read(shards, "ef")
        shards.close()
        os._exit(7)
    done.set()
    holder.join()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7


def test_many_readers_and_orders(make: Callable[..., OpenShards], opener: Opener) -> None:
    shards = make(room=45, ahead=3)
    faults: list[BaseException] = []

    def work(seed: int) -> None:
        import random

        try:
            for _ in range(30):
                order = random.Random(f"{seed} {_}").choices(NAMES, k=20)
                if seed == 0:
                    shards.expect(order)
                read(shards, "".join(order))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "they wait for each other"
    assert faults == []

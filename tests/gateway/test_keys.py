"""Where keys are kept: who holds one, and the file."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from mainstay.base.clock import SystemClock
from mainstay.gateway.keys import keeper as keeping
from mainstay.gateway.keys import owner
from mainstay.gateway.keys.keeper import Keeper
from mainstay.gateway.keys.store import Answer, Store, Trouble
from mainstay.tolerance.key import ANSWER, DOUBT, OUTGROW, RELEASE, KeySpec, Verdict

US = f"{owner.ourselves()}/a"
KEPT = Answer(b"HTTP/1.1 200 OK\r\n\r\n", b"body")


# --- who ---


def test_we_are_there():
    assert owner.is_there(owner.ourselves())


@pytest.mark.parametrize(
    "name", ["", "1", "a/b", "boot/1/1/1", pytest.param(f"{owner.ourselves()}0", id="longer")]
)
def test_nobody_else_goes_by_our_number(name):
    assert not owner.is_there(name)


def test_a_process_that_has_ended_is_not_there_even_before_anybody_looks():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    space = owner.ourselves().rsplit("/", 2)[0]
    started = Path(f"/proc/{child.pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
    name = f"{space}/{child.pid}/{started}"
    assert owner.is_there(name)

    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is not reaped by that
    zombie = owner.is_there(name)
    child.wait()

    assert (zombie, owner.is_there(name)) == (False, False)


# --- the file ---


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "web.db", KeySpec(keep=100.0))
    yield made
    made.close()


def take(store, now=0.0, key=b"k", fingerprint=b"f", holder=US):
    found = []
    store.together(lambda: found.append(store.take(now, key, fingerprint, holder)))
    return found[0]


def settle(store, event, now=1.0, key=b"k"):
    store.together(lambda: store.settle(now, key, US, event, KEPT))


def rows(store):
    db = sqlite3.connect(store.path)
    found = db.execute("SELECT key, state, until FROM keys ORDER BY key").fetchall()
    db.close()
    return found


def test_what_was_kept_is_given_to_the_same_request_alone(store):
    take(store)
    settle(store, ANSWER)

    assert take(store) == (Verdict.REPLAY, KEPT)
    assert take(store, fingerprint=b"other") == (Verdict.OTHER, Answer())


@pytest.mark.parametrize(("event", "state"), [(OUTGROW, "outgrown"), (DOUBT, "doubtful")])
def test_of_what_is_not_kept_nothing_is_written(store, event, state):
    take(store)

    settle(store, event)

    assert rows(store) == [(b"k", state, 101.0)]
    db = sqlite3.connect(store.path)
    assert db.execute("SELECT head, body FROM keys").fetchall() == [(b"", b"")]
    db.close()


def test_a_key_that_is_given_back_leaves_nothing(store):
    take(store)

    settle(store, RELEASE)

    assert rows(store) == []


def test_all_of_it_is_done_or_nothing(store):
    def work():
        store.take(0.0, b"a", b"f", US)
        raise OSError("no more")

    with pytest.raises(Trouble) as trouble:
        store.together(work)

    assert (str(trouble.value), trouble.value.uncertain) == ("no more", False)
    assert rows(store) == []


def test_what_expired_is_swept_and_what_runs_is_not(store):
    for key in (b"a", b"b", b"c"):
        take(store, key=key)
    settle(store, ANSWER, now=1.0, key=b"a")
    settle(store, ANSWER, now=50.0, key=b"b")
    found = []

    store.together(lambda: found.append(store.sweep(120.0)))

    assert found == [1]
    assert rows(store) == [(b"b", "answered", 150.0), (b"c", "running", None)]


def test_what_the_dead_had_under_way_is_in_doubt_from_the_next_sweep_on(store):
    take(store, holder="boot/1/1/1/a")

    store.together(lambda: store.sweep(10.0))

    assert rows(store) == [(b"k", "doubtful", 110.0)]


def test_a_file_of_another_version_is_left_alone(store):
    take(store)
    store.close()
    db = sqlite3.connect(store.path)
    db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(Trouble, match="it is of version 99, and known is 1"):
        take(store)


def test_a_file_that_was_taken_away_is_made_anew(store):
    take(store)
    for file in store.path.parent.iterdir():
        file.unlink()

    assert take(store)[0] is Verdict.RUN
    assert len(rows(store)) == 1


def test_two_that_have_it_open_see_each_others_keys(store):
    other = Store(store.path, store.spec)

    first, second = take(store), take(other)
    settle(store, ANSWER)
    third = take(other)
    other.close()

    assert [first[0], second[0], third[0]] == [Verdict.RUN, Verdict.WAIT, Verdict.REPLAY]


def test_each_commit_waits_for_the_disk(store):
    take(store)

    level = store._db.execute("PRAGMA synchronous").fetchone()
    mode = store._db.execute("PRAGMA journal_mode").fetchone()

    assert (level, mode) == ((2,), ("wal",))


_WORKS = """
import os, sys, time
from pathlib import Path
from mainstay.gateway.keys import owner
from mainstay.gateway.keys.store import Answer, Store
from mainstay.tolerance.key import ANSWER, KeySpec, Verdict
store, us = Store(Path(sys.argv[1]), KeySpec()), owner.ourselves()
journal = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for number in range(int(sys.argv[3])):
    key, name, found = b"%d" % number, f"{us}/{number}", []
    store.together(lambda: found.append(store.take(time.time(), key, b"f", name)[0]))
    if found[-1] is Verdict.RUN:
        os.write(journal, key + b"\\n")
        store.together(lambda: store.settle(time.time(), key, name, ANSWER, Answer(b"head", b"body")))
"""


def test_workers_may_be_killed_whenever_it_is_and_nothing_is_carried_out_twice(store, tmp_path):
    journal, count = tmp_path / "journal", 120
    journal.touch()
    take(store, key=b"none")

    def begin():
        return subprocess.Popen([sys.executable, "-c", _WORKS, str(store.path), str(journal), str(count)])

    workers = [begin() for _ in range(2)]
    for some in range(15, count, 15):
        while len(journal.read_bytes().split()) < some and any(one.poll() is None for one in workers):
            time.sleep(0.001)
        victim = workers.pop(0)
        victim.kill()
        victim.wait()
        workers.append(begin())
    codes = [worker.wait(timeout=60) for worker in workers]
    verdicts = {b"%d" % number: take(store, key=b"%d" % number)[0] for number in range(count)}

    carried_out = Counter(journal.read_bytes().split())
    assert codes == [0, 0]
    assert set(carried_out.values()) == {1}
    assert set(verdicts.values()) <= {Verdict.REPLAY, Verdict.DOUBT}
    assert {key for key, verdict in verdicts.items() if verdict is Verdict.REPLAY} <= set(carried_out)
    assert list(verdicts.values()).count(Verdict.DOUBT) <= count // 15


# --- the thread ---


class Request:
    """A request that remembers what it was told."""

    def __init__(self):
        self.verdicts = []
        self.ends = 0
        self.forsaken = False

    def taken(self, verdict, answer):
        self.verdicts.append((verdict, answer))

    def settled(self):
        self.ends += 1

    def forsake(self, now):
        self.forsaken = True


@pytest.fixture
async def keeper(tmp_path):
    facts = []
    loop = asyncio.get_running_loop()
    made = Keeper("web", tmp_path / "keys" / "web.db", KeySpec(), loop, SystemClock(), facts.append)
    made.facts = facts
    yield made
    made.end()
    await made.ended()
    assert not made._thread.is_alive()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_what_could_not_be_written_is_written_when_that_can_be(keeper, monkeypatch):
    monkeypatch.setattr(keeping, "CALM", 0.0)
    request = Request()
    name = keeper.take(b"k", b"f", request)
    await until(lambda: request.verdicts)
    folder = keeper._path.parent
    folder.rename(folder.with_name("away"))
    folder.write_text("a file in its place")

    keeper.settle(b"k", name, ANSWER, KEPT, request)
    await until(lambda: request.ends)
    folder.unlink()
    folder.with_name("away").rename(folder)
    again = []
    async with asyncio.timeout(10):
        while not again or again[-1].verdicts[0][0] in (None, Verdict.WAIT):
            again.append(Request())
            keeper.take(b"k", b"f", again[-1])
            await until(lambda: again[-1].verdicts)

    assert again[-1].verdicts == [(Verdict.LOST, Answer())]
    keeper.take(b"new", b"f", Request())
    await until(lambda: [type(fact).__name__ for fact in keeper.facts] == ["KeyStoreBroke", "KeyStoreMended"])


async def test_a_file_that_takes_one_thing_and_not_the_next_is_told_of_once(keeper):
    keeper.spec = KeySpec(size=32 * 1024)
    requests = [Request() for _ in range(100)]

    for number, request in enumerate(requests):
        name = keeper.take(b"%d" % number, b"f", request)
        await until(lambda one=request: one.verdicts)
        if request.verdicts[0][0] is Verdict.RUN:
            keeper.settle(b"%d" % number, name, ANSWER, Answer(b"head", b"x" * 8192), request)
            await until(lambda one=request: one.ends)

    assert {request.verdicts[0][0] for request in requests} == {Verdict.RUN, None}
    assert [fact.because for fact in keeper.facts] == ["database or disk is full"]


async def test_more_than_may_wait_for_the_disk_is_refused_at_once(keeper, monkeypatch):
    monkeypatch.setattr(keeping, "MOST", 2)
    requests = [Request() for _ in range(5)]

    for number, request in enumerate(requests):
        keeper.take(b"%d" % number, b"f", request)

    assert [request.verdicts for request in requests[2:]] == [[(None, Answer())]] * 3
    await until(lambda: all(request.verdicts for request in requests))
    assert [request.verdicts[0][0] for request in requests[:2]] == [Verdict.RUN] * 2


async def test_of_all_that_waits_each_is_told_its_own(keeper):
    requests = [Request() for _ in range(250)]

    for number, request in enumerate(requests):
        keeper.take(b"%d" % (number // 2), b"f", request)
    await until(lambda: all(request.verdicts for request in requests))

    assert [request.verdicts[0][0] for request in requests] == [Verdict.RUN, Verdict.WAIT] * 125


async def test_who_still_holds_a_key_at_the_end_is_told(keeper):
    request = Request()
    keeper.holding.add(request)

    keeper.end()

    assert request.forsaken
    await keeper.ended()

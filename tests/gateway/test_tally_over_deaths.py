"""Counters as a scraper sees them: whatever workers do, come and go, none is ever less than it was."""

import json
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mainstay.base.histogram import bucket
from mainstay.gateway.tally import Tally

SLOTS = st.sampled_from([0, 1, 2])
NAMES = st.sampled_from(["web-1", "web-2"])
STATUSES = st.sampled_from([200, 301, 404, 502])
LATENCIES = st.floats(0, 90)
SUMS = ("requests", "failures", "broken", "cancelled", "refused", "retries")


class Worker:
    """What one worker process would tell, counted anew in the plainest way."""

    def __init__(self, number, pid):
        self.number = number
        self.pid = pid
        self.sums = Counter()
        self.classes = [0] * 6
        self.durations = Counter()
        self.micros = 0
        self.scores = {}
        self.listener = Counter()
        self.lines = 0

    def told(self):
        service = {
            **{key: self.sums[key] for key in SUMS},
            "classes": self.classes,
            "durations": self.durations,
            "micros": self.micros,
            "own": {"timeout": self.sums["failures"]},
            "because": {"status": self.sums["failures"]},
            "scores": self.scores,
            "instances": [],
            "latency": {},
            "in_flight": 0,
            "panicking": False,
        }
        # Over the line and back: keys become text there, and nothing is shared.
        own = {"access_log_lines": self.lines}
        return json.loads(
            json.dumps(
                {
                    "worker": self.number,
                    "clients": 0,
                    "sums": own,
                    "listeners": {"web": {"sums": self.listener, "now": {"open": 1}}},
                    "services": {"web": service},
                }
            )
        )


class Deaths(RuleBasedStateMachine):
    """Workers in three places; a place whose worker died gets another process."""

    @initialize()
    def begin(self):
        self.tally = Tally()
        self.pids = iter(range(100, 10**9))
        self.workers = [Worker(slot + 1, next(self.pids)) for slot in range(3)]
        self.told = {}
        self.seen = self.flat()

    def flat(self):
        totals = self.tally.totals("web")
        return Counter(
            {
                **totals.sums,
                **{("class", digit): count for digit, count in totals.classes.items()},
                **{("bucket", index): count for index, count in totals.durations.items()},
                **{(name, key): count for name, one in totals.scores.items() for key, count in one.items()},
                **{("own", word): count for word, count in totals.own.items()},
                **{("because", word): count for word, count in totals.because.items()},
                **{("listener", key): count for key, count in self.tally.listener("web").sums.items()},
                **{("number", one): self.tally.worker(one)["access_log_lines"] for one in (1, 2, 3)},
                "micros": totals.micros,
                **{("worker", key): count for key, count in self.tally.gateway().items()},
            }
        )

    @rule(slot=SLOTS, status=STATUSES, seconds=LATENCIES, name=NAMES)
    def answer(self, slot, status, seconds, name):
        worker = self.workers[slot]
        failed = status >= 500
        worker.sums.update({"requests": 1, "failures": failed})
        worker.classes[status // 100] += 1
        worker.durations[bucket(seconds)] += 1
        worker.micros += int(seconds * 1e6)
        score = worker.scores.setdefault(name, Counter())
        score.update({"attempts": 1, f"answers {status // 100}": 1, "failed failed": int(failed)})
        worker.listener.update({"accepted": 1, f"refused {status}": 1})
        worker.lines += 1

    @rule(slot=SLOTS)
    def tell(self, slot):
        worker = self.workers[slot]
        self.told[worker.pid] = worker.told()["services"]["web"]
        self.tally.take(worker.pid, worker.told())

    @rule(slot=SLOTS, twice=st.booleans())
    def die(self, slot, twice):
        dead, self.workers[slot] = self.workers[slot], Worker(slot + 1, next(self.pids))
        self.tally.lost(dead.pid)
        if twice:
            self.tally.lost(dead.pid)

    @rule(slot=SLOTS)
    def die_with_the_last_words_behind_the_next_ones_first(self, slot):
        dead, self.workers[slot] = self.workers[slot], Worker(slot + 1, next(self.pids))
        self.tell(slot)
        self.told[dead.pid] = dead.told()["services"]["web"]
        self.tally.take(dead.pid, dead.told())
        self.tally.lost(dead.pid)

    @invariant()
    def nothing_is_less_than_it_was(self):
        now = self.flat()

        assert all(now[key] >= count for key, count in self.seen.items())
        self.seen = now

    @invariant()
    def all_that_was_told_is_there_and_nothing_twice(self):
        totals = self.tally.totals("web")
        parts = list(self.told.values())

        assert totals.sums == Counter({key: sum(part[key] for part in parts) for key in SUMS})
        assert sum(totals.classes.values()) == sum(totals.durations.values()) == totals.sums["requests"]
        assert totals.micros == sum(part["micros"] for part in parts)
        assert sum(score["attempts"] for score in totals.scores.values()) == totals.sums["requests"]
        assert sum(score["failed failed"] for score in totals.scores.values()) == totals.sums["failures"]
        assert totals.own["timeout"] == totals.because["status"] == totals.sums["failures"]
        assert self.tally.listener("web").sums["accepted"] == totals.sums["requests"]
        assert sum(self.tally.worker(one)["access_log_lines"] for one in (1, 2, 3)) == totals.sums["requests"]
        assert self.tally.service("web")["requests"] == totals.sums["requests"]
        assert self.tally.gateway()["access_log_lines"] == totals.sums["requests"]


TestDeaths = Deaths.TestCase
TestDeaths.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

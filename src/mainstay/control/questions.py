"""The three questions, answered from what is known: the structure, the drills, and the ledger.

An answer is `yes`, `no`, or `unproved`: redundancy that was never drilled is not called fault tolerance, and a system that was
watched for a week is not called reliable.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mainstay.drill.fault.kind import KINDS
from mainstay.drill.verdict import ACCEPTED, DEGRADED, NOT_RUN, STALE, SURVIVED

YES, NO, UNPROVED = "yes", "no", "unproved"
TARGET = 0.99
"""The availability that is taken for reliable where nobody has told an objective: less than two hours a week of being down."""
_SHOWN = 3
_PROVED = (SURVIVED, DEGRADED)


class Answer(NamedTuple):
    """What is known about one question."""

    question: str
    idea: str
    """`redundancy`, `fault tolerance`, or `reliability`."""
    answer: str
    """`YES`, `NO` or `UNPROVED`."""
    evidence: Sequence[str]
    """What it rests on, in sentences."""
    age: float | None
    """Seconds since the oldest of it; None where it is of now, or there is none."""
    next: Sequence[str]
    """What to do about it, in order."""

    def record(self) -> dict[str, Any]:
        """Give it as plain values."""
        return self._asdict() | {"evidence": list(self.evidence), "next": list(self.next)}


def backups(audit: Mapping[str, Any]) -> Answer:
    """Answer whether there are backups.

    Args:
        audit: What `redundancy.audit.report` gives.
    """
    single = [point for point in audit["single_points_of_failure"] if point["service"] is not None]
    host = [point["sentence"] for point in audit["single_points_of_failure"] if point["kind"] == "host"]
    survives = [entry["entry"] for entry in audit["entries"] if entry["survives"]["one"]]
    evidence = [point["sentence"] for point in single[:_SHOWN]]
    if len(single) > _SHOWN:
        evidence.append(f"and {len(single) - _SHOWN} more; `mainstay audit` lists them")
    if survives:
        evidence.append(
            f"users of {', '.join(survives)} lose nothing by the loss of any one part that Mainstay runs"
        )
    next_ = [
        f"give {name} a second instance, or another address"
        for name in dict.fromkeys(point["service"] for point in single)
    ]
    return Answer("Do we have backups?", "redundancy", NO if single else YES, [*evidence, *host], None, next_)


def survival(standing: Mapping[str, Any], now: float) -> Answer:
    """Answer whether failures are survived.

    Args:
        standing: What `drill.standing` gives, of every cell that the system file implies.
        now: Seconds since 1970.
    """
    rows = standing["cells"]
    proved = [row for row in rows if row["met"] and row["verdict"] in _PROVED]
    accepted = [row for row in rows if row["verdict"] == ACCEPTED]
    open_ = [row for row in rows if row["verdict"] in (NOT_RUN, STALE)]
    failed = [row for row in rows if row not in proved and row not in accepted and row not in open_]
    # What says most has to be shown; the rest is told.
    wanting = [
        row for row in open_ if all(KINDS[name].quick for name in row["fault"].split("+") if name in KINDS)
    ]
    evidence = [f"{len(proved)} of {len(rows)} drills have shown that a failure is survived"]
    evidence += [f"{row['cell']}: {row['verdict']}, {row['because']}" for row in failed[:_SHOWN]]
    if accepted:
        evidence.append(f"{len(accepted)} outages are accepted, with reasons")
    if open_:
        evidence.append(f"{len(open_)} were never played, or the system has changed since")
    evidence += [
        f"{one['class']}: {one['survived']} of {one['trials']} survived, coverage at least {one['at_least']:.2f}"
        for one in standing["coverage"]
    ]
    answer = NO if failed else UNPROVED if wanting or not proved else YES
    ages = [now - row["at"] for row in proved + failed if row.get("at") is not None]
    next_ = [row["reproduce"] for row in failed[:_SHOWN] if "reproduce" in row]
    if wanting:
        next_.append("mainstay drill run --quick")
    elif open_:
        next_.append("mainstay drill run")
    return Answer(
        "Can we survive failures?", "fault tolerance", answer, evidence, max(ages, default=None), next_
    )


def frequency(
    report: Mapping[str, Any] | None,
    targets: Mapping[str, float],
    why: str = "",
    promises: Sequence[Mapping[str, Any]] = (),
) -> Answer:
    """Answer how often it fails.

    A service whose requests fail more often than was promised is not reliable, however well its instances looked.

    Args:
        report: What `ledger.report` gives; None where there is no ledger.
        targets: The availability that each service is to have; `TARGET` for those that are not in it.
        why: Why there is no report.
        promises: How the objectives stand, as `ledger.promise` gives it; what was kept so far is no proof, and changes nothing.
    """
    question, idea = "How often does it fail?", "reliability"
    services = (
        []
        if report is None
        else [one for one in report["services"] if one["time"]["availability"] is not None]
    )
    if report is None or not services:
        return Answer(
            question,
            idea,
            UNPROVED,
            [why or "nothing was watched yet"],
            None,
            ["mainstay up, and let it run"],
        )
    answers, evidence, next_ = [], [], []
    for one in services:
        time, failures = one["time"], one["failures"]
        target = targets.get(one["service"], TARGET)
        answer = YES if time["low"] >= target else NO if time["high"] < target else UNPROVED
        answers.append(answer)
        count = failures["count"]
        failed = "never failed" if not count else "failed once" if count == 1 else f"failed {count} times"
        evidence.append(
            f"{one['service']} {failed} in {_span(time['served'] + time['down'])}: available"
            f" {time['availability']:.4%}, at least {time['low']:.4%} with 95 % confidence, and {target:.3%} is wanted"
        )
        if answer == UNPROVED:
            next_.append(f"watch {one['service']} for longer: `mainstay report` says for how long")
        elif answer == NO:
            next_.append(f"mainstay incident list --service {one['service']}")
    for one in promises:
        if one["high"] is not None and one["high"] < one["target"]:
            answers.append(NO)
            evidence.append(
                f"{one['service']} promises {one['promise']}, and {one['bad_events']:,.0f} of {one['events']:,.0f}"
                " were not good"
            )
            next_.append(f"mainstay incident list --service {one['service']}")
    if unset := [one["service"] for one in services if one["service"] not in targets]:
        next_.append(f"say what is wanted of {', '.join(unset)}: `objective: {{ availability: 99.9% }}`")
    worst = NO if NO in answers else UNPROVED if UNPROVED in answers else YES
    # All of it is of the period that ends now.
    return Answer(question, idea, worst, evidence, None, next_)


def _span(seconds: float) -> str:
    for size, name in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{math.floor(seconds / size)} {name}"
    return f"{seconds:.0f} seconds"

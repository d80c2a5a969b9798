"""Rules about the second question: is what is there used when something fails?"""

from collections.abc import Callable, Iterator
from math import ceil

from mainstay.base.units import format_duration
from mainstay.redundancy.audit.plan import Group, Plan
from mainstay.redundancy.audit.rule import ERROR, NOTE, WARNING, Rule, Spot


def _each(
    key: str, has: Callable[[Group], bool], said: Callable[[Group], str]
) -> Callable[[Plan], Iterator[Spot]]:
    def find(plan: Plan) -> Iterator[Spot]:
        for group in plan.groups.values():
            if has(group):
                yield Spot(group.at(*key.split(".")), said(group))

    return find


def _several(group: Group) -> bool:
    return group.listens and len(group.parts) > 1


def _ejects_most(group: Group) -> bool:
    count = len(group.parts)
    # Of two, one may always go: the other is half.
    return _several(group) and group.outlier and count > len("ab") and ceil(group.keep * count) <= 1


def _gateway_drain(plan: Plan) -> Iterator[Spot]:
    slow = max(
        (group for group in plan.groups.values() if group.http), key=lambda group: group.attempt, default=None
    )
    if slow is not None and plan.drain < slow.attempt:
        had, needed = format_duration(plan.drain), format_duration(slow.attempt)
        yield Spot(
            ("gateway", "drain"), f"requests have {had} to end, and to {slow.name} they may take {needed}"
        )


def _accepted(plan: Plan) -> Iterator[Spot]:
    for place, what in enumerate(plan.accepted):
        if what:
            yield Spot(("drills", "accept", place), f"{what} is accepted for ever")


RULES = (
    Rule(
        id="health-off",
        severity=WARNING,
        title="health checks are off",
        why="An instance that runs and does no work is noticed only by requests that fail.",
        example="web:\n  command: ./web\n  listen: http://127.0.0.1:8080\n  health: off",
        fix="leave `health` out, or tell it a `path` that answers when the instance can work",
        find=_each(
            "health",
            lambda group: group.listens and not group.health,
            lambda group: f"{group.name} is not checked",
        ),
    ),
    Rule(
        id="failover-off",
        severity=ERROR,
        title="failover is off",
        why="A dead instance goes on getting requests until its replacement is ready: the others are there in vain.",
        example="web:\n  command: ./web\n  listen: http://127.0.0.1:8080\n  failover: off",
        fix="leave `failover` out",
        find=_each(
            "failover",
            lambda group: _several(group) and not group.failover,
            lambda group: f"{group.name} has {len(group.parts)} instances and no failover between them",
        ),
    ),
    Rule(
        id="retry-off",
        severity=WARNING,
        title="no request is tried again",
        why="What was on its way to an instance that died fails, though another one could have answered.",
        example="web:\n  command: ./web\n  listen: http://127.0.0.1:8080\n  retry: off",
        fix="leave `retry` out: only what is proved to be safe is tried again",
        find=_each(
            "retry",
            lambda group: _several(group) and group.http and not group.retries,
            lambda group: f"requests to {group.name} have one attempt",
        ),
    ),
    Rule(
        id="no-time-to-retry",
        severity=WARNING,
        title="one attempt may take all the time of a request",
        why="When an instance hangs, nothing is left for another one by the time that it is given up.",
        example="web:\n  command: ./web\n  listen: http://127.0.0.1:8080\n  timeouts: { request: 5s }",
        fix="`timeouts.attempt` of half of `timeouts.request` or less",
        find=_each(
            "timeouts",
            lambda group: _several(group) and group.http and group.retries and group.attempt >= group.request,
            lambda group: (
                f"an attempt may take {format_duration(group.attempt)}, which is all that a request may take"
            ),
        ),
    ),
    Rule(
        id="outlier-off",
        severity=WARNING,
        title="bad instances are not left out",
        why="An instance that answers every request at once, and with an error, draws traffic until a health check notices.",
        example="web:\n  command: ./web\n  listen: http://127.0.0.1:8080\n  outlier: off",
        fix="leave `outlier` out",
        find=_each(
            "outlier",
            lambda group: _several(group) and not group.outlier,
            lambda group: f"traffic never takes an instance of {group.name} out",
        ),
    ),
    Rule(
        id="ejects-most",
        severity=WARNING,
        title="ejection may leave one instance alone",
        why="It then has to bear the load of all, and a partial failure becomes a total one. (The last one is never ejected.)",
        example="web:\n  command: ./web\n  instances: 4\n  listen: http://127.0.0.1:8080\n  outlier: { keep: 0% }",
        fix="`outlier.keep` as large as the share that can bear the whole load",
        find=_each(
            "outlier.keep",
            _ejects_most,
            lambda group: f"{len(group.parts) - 1} of {len(group.parts)} instances may be ejected",
        ),
    ),
    Rule(
        id="drain-short",
        severity=WARNING,
        title="requests are cut when an instance is stopped",
        why="A rolling restart then fails those that are still within their time.",
        example="web:\n  command: ./web\n  listen: http://127.0.0.1:8080\n  drain: 1s",
        fix="`drain` as long as `timeouts.attempt`",
        find=_each(
            "drain",
            lambda group: group.listens and group.runs and group.http and group.drain < group.attempt,
            lambda group: (
                f"requests have {format_duration(group.drain)} to end, and may take {format_duration(group.attempt)}"
            ),
        ),
    ),
    Rule(
        id="gateway-drain-short",
        severity=WARNING,
        title="requests are cut when the gateway stops",
        why="`mainstay down` then fails those that are still within their time.",
        example="gateway:\n  drain: 1s",
        fix="`gateway.drain` as long as the longest `timeouts.attempt`",
        find=_gateway_drain,
    ),
    Rule(
        id="restart-off",
        severity=WARNING,
        title="what exits is not started again",
        why="Each failure uses up an instance for good, until none is left.",
        example="web:\n  command: ./web\n  listen: http://127.0.0.1:8080\n  restart: off",
        fix="leave `restart` out",
        find=_each(
            "restart",
            lambda group: group.runs and not group.restart,
            lambda group: f"an instance of {group.name} that exits stays away",
        ),
    ),
    Rule(
        id="sticky-single",
        severity=NOTE,
        title="requests are tied to the only instance",
        why="It does nothing, and hides that the service cannot share its load.",
        example="web:\n  command: ./web\n  instances: 1\n  listen: http://127.0.0.1:8080\n  sticky: { by: client }",
        fix="leave `sticky` out, or have more instances",
        find=_each(
            "sticky",
            lambda group: group.sticky and len(group.parts) == 1,
            lambda group: f"{group.name} has one instance",
        ),
    ),
    Rule(
        id="accepted-for-ever",
        severity=NOTE,
        title="an accepted outage has no last day",
        why="Whoever accepted it decided with what was known then; without a date nobody looks at it again.",
        example='drills:\n  accept: [{ fault: kill, target: web, reason: "the second server comes in spring" }]',
        fix="`until: YYYY-MM-DD`",
        find=_accepted,
    ),
)

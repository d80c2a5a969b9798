"""Rules about the first question: is there another part that can do it?"""

from collections.abc import Iterator

from mainstay.redundancy.audit.plan import Plan
from mainstay.redundancy.audit.rule import ERROR, NOTE, WARNING, Rule, Spot


def _single_instance(plan: Plan) -> Iterator[Spot]:
    all_users = plan.users()
    for group in plan.groups.values():
        if group.runs and len(group.parts) == 1:
            users = all_users[group.name]
            also = (
                f", which {len(users)} other service{'s' * (len(users) != 1)} cannot do without"
                if users
                else ""
            )
            yield Spot(group.at("instances"), f"there is one instance of {group.name}{also}")


def _single_address(plan: Plan) -> Iterator[Spot]:
    for group in plan.groups.values():
        if not group.runs and len(group.parts) == 1:
            yield Spot(group.at("addresses"), f"{group.name} is reached at one address only")


def _one_zone(plan: Plan) -> Iterator[Spot]:
    for group in plan.groups.values():
        zones = {part.zone for part in group.parts}
        if len(plan.zones) > 1 and len(group.parts) > 1 and len(zones) == 1 and "" not in zones:
            key = "instances" if group.runs else "addresses"
            yield Spot(group.at(key), f"all {len(group.parts)} of {group.name} are in zone {zones.pop()}")


def _zone_unknown(plan: Plan) -> Iterator[Spot]:
    for group in plan.groups.values():
        lost = [part.name for part in group.parts if not part.zone]
        if plan.zones and lost and len(group.parts) > 1:
            yield Spot(group.at("addresses"), f"{len(lost)} of {group.name} are in no zone that is told")


def _need_not_told(plan: Plan) -> Iterator[Spot]:
    for group in plan.groups.values():
        below = plan.below(group.name)
        for variable, addresses in group.named.items():
            for other in plan.groups.values():
                if other.name not in below and addresses & set(other.reached):
                    yield Spot(
                        group.at("env", variable),
                        f"{variable} names the address of {other.name}, which is not in needs",
                    )


def _one_worker(plan: Plan) -> Iterator[Spot]:
    if plan.workers == 1:
        yield Spot(("gateway", "workers"), "the gateway has one worker")


RULES = (
    Rule(
        id="single-instance",
        severity=ERROR,
        title="there is one instance",
        why="While it is gone, nobody can do its work: all that needs it stops until it has started again.",
        example="db:\n  command: ./db\n  instances: 1",
        fix="`instances: 2` or more, if several can run side by side; otherwise accept it with the reason",
        find=_single_instance,
    ),
    Rule(
        id="single-address",
        severity=WARNING,
        title="somebody else's service has one address",
        why="Mainstay has nowhere else to go. There may be several machines behind a name, which cannot be seen from here.",
        example="payments:\n  addresses: [http://10.0.0.7:8080]\n  listen: http://127.0.0.1:8090",
        fix="name every address that it has under `addresses`; if it has one, think of a `fallback`",
        find=_single_address,
    ),
    Rule(
        id="one-zone",
        severity=ERROR,
        title="all are in one zone, though there are several",
        why="What takes the zone takes all of them at once: they are one spare part for another only while it stands.",
        example="payments:\n  addresses:\n    - { at: http://10.0.0.7:8080, zone: a }\n    - { at: http://10.0.0.8:8080, zone: a }"
        "\n  listen: http://127.0.0.1:8090",
        fix="have one in another zone",
        find=_one_zone,
    ),
    Rule(
        id="zone-unknown",
        severity=NOTE,
        title="the zone of an address is not told",
        why="Nobody knows what the loss of a zone takes with it, and the gateway cannot ask another zone first.",
        example="payments:\n  addresses: [http://10.0.0.7:8080, http://10.0.0.8:8080]\n  listen: http://127.0.0.1:8090",
        fix="`{ at: ADDRESS, zone: NAME }` for each address",
        find=_zone_unknown,
    ),
    Rule(
        id="need-not-told",
        severity=WARNING,
        title="the environment names another service, and `needs` does not",
        why="It may be started before what it depends on, and the audit takes it to be independent of that.",
        example="web:\n  command: ./web\n  env: { CACHE: 127.0.0.1:6379 }",
        fix="add that service to `needs`",
        find=_need_not_told,
    ),
    Rule(
        id="one-worker",
        severity=WARNING,
        title="the gateway has one worker",
        why="When it dies, every connection is cut, and new ones wait until another has started.",
        example="gateway:\n  workers: 1",
        fix="`workers: 2` or more, or leave it out: one for each processor",
        find=_one_worker,
    ),
)

"""Rules about Compose files. A file for development is left alone, and so is a service that mounts its source."""

from collections.abc import Iterator

from mainstay.redundancy.audit.container import Container
from mainstay.redundancy.audit.plan import Group, Plan
from mainstay.redundancy.audit.rule import ERROR, NOTE, WARNING, Rule, Spot


def _kept(plan: Plan) -> Iterator[tuple[Group, Container]]:
    """Give the services that are meant to run all the time."""
    for name, container in plan.containers.items():
        if not (plan.development or container.source or container.once):
            yield plan.groups[name], container


def _one_replica(plan: Plan) -> Iterator[Spot]:
    all_users = plan.users()
    for group, container in _kept(plan):
        users = all_users[group.name]
        if container.replicas == 1 and (users or group.listens):
            who = (
                f"{len(users)} other service{'s' * (len(users) != 1)} cannot do without it"
                if users
                else "users come to it"
            )
            yield Spot(group.at("deploy", "replicas"), f"there is one replica of {group.name}, and {who}")


def _no_healthcheck(plan: Plan) -> Iterator[Spot]:
    for group, container in _kept(plan):
        if container.unchecked:
            yield Spot(group.at("healthcheck"), f"the health check of {group.name} is switched off")
        elif not container.checked:
            yield Spot(group.at("healthcheck"), f"{group.name} has no health check")


def _not_awaited(plan: Plan) -> Iterator[Spot]:
    for group, container in _kept(plan):
        for need, condition in container.waits.items():
            if need in plan.containers and plan.containers[need].checked and condition == "service_started":
                yield Spot(
                    group.at("depends_on", need),
                    f"{group.name} starts before {need} is healthy, though {need} has a health check",
                )


def _no_restart(plan: Plan) -> Iterator[Spot]:
    for group, container in _kept(plan):
        if not container.restarts:
            yield Spot(group.at("restart"), f"{group.name} is not started again when it exits")


def _shared_volume(plan: Plan) -> Iterator[Spot]:
    for group, container in _kept(plan):
        for volume in container.writes if container.replicas > 1 else ():
            yield Spot(
                group.at("volumes"),
                f"all {container.replicas} replicas of {group.name} write to the volume {volume}",
            )


def _no_tag(plan: Plan) -> Iterator[Spot]:
    for group, container in _kept(plan):
        last = container.image.rpartition("/")[2]
        tag = last.partition(":")[2]
        if container.image and not container.built and "@" not in last and tag in ("", "latest"):
            what = "the tag latest" if tag else "no tag"
            yield Spot(group.at("image"), f"the image of {group.name} has {what}")


def _one_port(plan: Plan) -> Iterator[Spot]:
    for group, container in _kept(plan):
        if container.replicas > 1 and container.ports:
            yield Spot(
                group.at("ports"),
                f"{container.replicas} replicas of {group.name} are to have the port {container.ports[0]} of one host",
            )


def _unconnected(plan: Plan) -> Iterator[Spot]:
    needed = {need for group in plan.groups.values() for need in group.needs}
    for group, _ in _kept(plan):
        if len(plan.groups) > 1 and not (group.listens or group.needs or group.name in needed):
            yield Spot(group.at("depends_on"), f"nothing tells who needs {group.name}, or what it needs")


RULES = (
    Rule(
        id="compose-one-replica",
        severity=ERROR,
        title="there is one replica of what users or other services need",
        why="While it is gone, nobody can do its work: all that needs it stops until it has started again.",
        example="services:\n  web:\n    image: shop:1.2\n    depends_on: [db]\n  db:\n    image: postgres:16",
        fix="`deploy: { replicas: 2 }` or more, if several can run side by side; otherwise accept it with the reason",
        find=_one_replica,
    ),
    Rule(
        id="compose-no-healthcheck",
        severity=WARNING,
        title="there is no health check",
        why="A container that hangs counts as running: nobody waits for it, leaves it out or replaces it. An image may bring a check of its own, "
        "which cannot be seen in the file.",
        example="services:\n  web:\n    image: shop:1.2\n    healthcheck: { disable: true }",
        fix="`healthcheck: { test: [CMD, …], interval: 10s }`, with what fails when the service cannot do its work",
        find=_no_healthcheck,
    ),
    Rule(
        id="compose-not-awaited",
        severity=WARNING,
        title="a service does not wait for the health of what it needs",
        why="Started is not ready: what connects too early fails, and where nothing restarts it, stays away.",
        example="services:\n  web:\n    image: shop:1.2\n    depends_on: [db]\n"
        "  db:\n    image: postgres:16\n    healthcheck: { test: [CMD, pg_isready] }",
        fix="`depends_on: { NAME: { condition: service_healthy } }`",
        find=_not_awaited,
    ),
    Rule(
        id="compose-no-restart",
        severity=WARNING,
        title="what exits is not started again",
        why="Without a policy Docker leaves a container that has exited as it is, also after the machine has started anew.",
        example="services:\n  web:\n    image: shop:1.2\n    restart: 'no'",
        fix="`restart: unless-stopped`, or `always`",
        find=_no_restart,
    ),
    Rule(
        id="compose-shared-volume",
        severity=WARNING,
        title="several replicas write to one volume",
        why="Most programs that keep data take their files to be theirs alone; two at once damage them.",
        example="services:\n  db:\n    image: postgres:16\n    deploy: { replicas: 2 }\n"
        "    volumes: [data:/var/lib/postgresql/data]\nvolumes:\n  data: {}",
        fix="one replica, with a standby that has a volume of its own; or mount it read-only (`:ro`)",
        find=_shared_volume,
    ),
    Rule(
        id="compose-no-tag",
        severity=NOTE,
        title="the image has no tag, or `latest`",
        why="Replicas that are started on different days may be different programs, and there is no way back to the one before.",
        example="services:\n  web:\n    image: nginx",
        fix="a version, or better a digest (`@sha256:…`)",
        find=_no_tag,
    ),
    Rule(
        id="compose-one-port",
        severity=WARNING,
        title="several replicas are to have one port of the host",
        why="Docker Compose gives a port of the host to one container, and the other replicas do not start. Only a swarm spreads it.",
        example="services:\n  web:\n    image: shop:1.2\n    deploy: { replicas: 2 }\n    ports: ['8080:80']",
        fix="a range of ports (`8080-8081:80`), or a proxy in front that has the port",
        find=_one_port,
    ),
    Rule(
        id="compose-unconnected",
        severity=NOTE,
        title="nothing tells what a service is for",
        why="Users do not come to it, no other service names it, and it names none. What its loss means is not known, and the audit takes it to stop "
        "nobody.",
        example="services:\n  web:\n    image: shop:1.2\n    ports: ['80']\n  db:\n    image: postgres:16",
        fix="`depends_on` in who needs it, or `x-mainstay: { needs: [NAME] }`, which changes no start order",
        find=_unconnected,
    ),
)

"""One fault: what, where, for how long; as it is asked for, and as it crosses the socket to the workers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from typing import Any

from mainstay.base.errors import MainstayError
from mainstay.gateway.fault.kind import BOTH, DIRECTIONS, KINDS, LEASE, LONGEST, SHORTEST_LEASE, Number

_SEEDS = 2**53
_OURS = frozenset({"fault", "service", "instances", "lease", "seed"})


class FaultProblem(MainstayError):
    """A fault that cannot be asked for, or is not there."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A fault on the legs to some instances."""

    id: str
    fault: str
    """Its kind: a key of `KINDS`."""
    service: str
    instances: tuple[str, ...]
    """By name; none: all that the service has."""
    seed: int
    """Of its chance."""
    began: float
    """When, in the monotonic seconds that all processes of a machine share."""
    until: float
    """When it ends by itself, likewise."""
    lease: float
    """Seconds from when it is asked for, or renewed, until then."""
    numbers: dict[str, float] = field(default_factory=dict)
    """Its parameters, all of them."""
    direction: str = BOTH
    """Which way it acts, of those that have a direction: to the instance, from it, or both."""

    @property
    def parameters(self) -> dict[str, float | str]:
        """All that may be said of this kind."""
        told: dict[str, float | str] = dict(self.numbers)
        return told | {"direction": self.direction} if KINDS[self.fault].direction else told

    def aims_at(self, service: str, instance: str) -> bool:
        """Tell whether this instance has it."""
        return service == self.service and (not self.instances or instance in self.instances)

    def told(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)

    @classmethod
    def heard(cls, told: dict[str, Any]) -> "FaultSpec":
        """Read what `told` gave.

        Raises:
            TypeError: it is none.
        """
        return cls(**told | {"instances": tuple(told["instances"])})


@dataclass(frozen=True, slots=True)
class Target:
    """A service as somebody who asks for a fault may know it."""

    instances: Mapping[str, str]
    """Its instances by name, and the host of each."""
    tcp: bool = False
    """Whether its bytes are passed on as they are."""
    routed: bool = True
    """Whether the gateway has connections to it."""


def asked(body: Any, targets: Mapping[str, Target], *, id_: str, seed: int, now: float) -> FaultSpec:  # noqa: ANN401 - JSON
    """Read what somebody asks for.

    Args:
        body: JSON, as it was sent.
        targets: The services there are.
        id_: The fault's own.
        seed: Used where none is told.
        now: Monotonic seconds.

    Raises:
        FaultProblem: it cannot be.
    """
    if not isinstance(body, dict):
        raise FaultProblem('the body must be an object: {"fault": KIND, "service": NAME, ...}')
    name = _one_of("fault", body.get("fault"), list(KINDS))
    service = _one_of("service", body.get("service"), list(targets))
    kind, target = KINDS[name], targets[service]
    known = [*_OURS, *kind.numbers, *(["direction"] if kind.direction else [])]
    for key in body:
        if key not in known:
            raise FaultProblem(f"{name} has no '{key}'; {_choices(key, sorted(known))}")
    instances = _instances(body.get("instances"), service, target)
    _refuse_misfits(name, service, target, instances)
    lease = lease_of(body.get("lease"))
    numbers = {key: _number(f"{name}.{key}", body.get(key), of) for key, of in kind.numbers.items()}
    direction = _one_of(f"{name}.direction", body.get("direction", kind.direction or BOTH), list(DIRECTIONS))
    own = Number(-_SEEDS, _SEEDS, seed, whole=True)
    seed = int(_number("seed", body.get("seed"), own))
    return FaultSpec(id_, name, service, instances, seed, now, now + lease, lease, numbers, direction)


def lease_of(told: Any) -> float:  # noqa: ANN401 - JSON
    """Read the seconds of a lease.

    Raises:
        FaultProblem: it cannot be.
    """
    return _number("lease", told, Number(SHORTEST_LEASE, LONGEST, LEASE))


def _refuse_misfits(name: str, service: str, target: Target, instances: tuple[str, ...]) -> None:
    if not target.routed:
        raise FaultProblem(f"services.{service} has no listener, so the gateway has no connections to it")
    if target.tcp and KINDS[name].http:
        can = ", ".join(one for one, kind in KINDS.items() if not kind.http)
        raise FaultProblem(
            f"{name} is about answers of HTTP, and services.{service} speaks TCP; possible: {can}"
        )
    if name == "dns":
        hosts = [target.instances[one] for one in instances or target.instances]
        if all(is_address(host) for host in hosts):
            raise FaultProblem(
                f"no name is looked up for services.{service}: its instances are known by address"
            )


def is_address(host: str) -> bool:
    """Tell whether a host is an address, so that its name is not looked up."""
    return ":" in host or host.replace(".", "").isdigit()


def _instances(told: Any, service: str, target: Target) -> tuple[str, ...]:  # noqa: ANN401 - JSON
    if told is None:
        return ()
    if not isinstance(told, list) or not told:
        raise FaultProblem(f"instances must be a list of names, not {told!r}; leave it out for all")
    known = list(target.instances)
    return tuple(_one_of(f"instances of {service}", one, known) for one in told)


def _one_of(what: str, found: Any, known: Sequence[str]) -> str:  # noqa: ANN401 - JSON
    if isinstance(found, str) and found in known:
        return found
    said = "none was told" if found is None else f"{found!r} is not known"
    raise FaultProblem(f"{what}: {said}; {_choices(found, known)}")


def _choices(found: Any, known: Sequence[str]) -> str:  # noqa: ANN401 - JSON
    near = get_close_matches(str(found), known, 1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"there are: {', '.join(known)}{hint}"


def _number(what: str, found: Any, of: Number) -> float:  # noqa: ANN401 - JSON
    if found is None and of.default is not None:
        return of.default
    kinds = (int,) if of.whole else (int, float)
    if type(found) not in kinds or not of.low <= found <= of.high:
        sort = "a whole number" if of.whole else "a number"
        said = "none was told" if found is None else f"not {found!r}"
        raise FaultProblem(f"{what} must be {sort} from {of.low:g} to {of.high:g}; {said}")
    return found  # type: ignore[no-any-return] # it is one of these

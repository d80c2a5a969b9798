"""When the whole fails, said by gates over its parts: a fault tree.

::

    stopped = or(web, db)
    web     = atleast 2 of (web-1, web-2, web-3)
    db      = and(db-1, db-2)

A name that has a gate is that gate's; every other name is a basic event, something that fails by itself.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mainstay.base.errors import SpecError

AND, OR, ATLEAST, NOT, XOR = "and", "or", "atleast", "not", "xor"
KINDS = (AND, OR, ATLEAST, NOT, XOR)

MOST = 20_000
"""Names that a tree may have. What people write has hundreds; it bounds how deep a diagram can be."""


class Gate(NamedTuple):
    """What is true when so many of its inputs are."""

    kind: str
    """`and`, `or`, `atleast`, `not` (one input), or `xor` (an odd number is true). `and` of none is true, `or` of none false."""

    inputs: tuple[str, ...]
    """Names of gates and basic events."""

    least: int = 0
    """How many inputs must be true; of `atleast` only."""


class Tree(NamedTuple):
    """A fault tree: the top event and all gates below it."""

    top: str
    gates: Mapping[str, Gate]

    def ordered(self) -> tuple[list[str], list[str]]:
        """Give its gates, each after those that it needs, and its basic events as a walk from the top meets them.

        That walk is a good order for a diagram: what is used together stands together.

        Raises:
            SpecError: gates go in a circle, a gate cannot be, or there are too many names.
        """
        gates: list[str] = []
        events: dict[str, None] = {}
        under_way: dict[str, Iterator[str]] = {}
        done: set[str] = set()
        self._enter(self.top, under_way, events, done)
        while under_way:
            name, inputs = next(reversed(under_way.items()))
            for each in inputs:
                if each in under_way:
                    walk = list(under_way)
                    raise SpecError(f"gates go in a circle: {' → '.join([*walk[walk.index(each) :], each])}")
                if each not in done:
                    self._enter(each, under_way, events, done)
                    break
            else:
                del under_way[name]
                gates.append(name)
                done.add(name)
        return gates, list(events)

    def _enter(
        self, name: str, under_way: dict[str, Iterator[str]], events: dict[str, None], done: set[str]
    ) -> None:
        if len(done) + len(under_way) >= MOST:
            raise SpecError(f"a tree may have at most {MOST} gates and events together")
        gate = self.gates.get(name)
        if gate is None:
            events[name] = None
            done.add(name)
            return
        _check(name, gate)
        under_way[name] = iter(gate.inputs)

    @property
    def is_coherent(self) -> bool:
        """Whether no failure mends anything: there is neither `not` nor `xor` below the top."""
        names, _ = self.ordered()
        return all(self.gates[name].kind not in (NOT, XOR) for name in names)


def _check(name: str, gate: Gate) -> None:
    if gate.kind not in KINDS:
        raise SpecError(f"{name}: there is no gate '{gate.kind}'; allowed are {', '.join(KINDS)}")
    if gate.kind == NOT and len(gate.inputs) != 1:
        raise SpecError(f"{name}: 'not' has one input, not {len(gate.inputs)}")
    if gate.kind == ATLEAST and not 0 < gate.least <= len(gate.inputs):
        raise SpecError(
            f"{name}: 'atleast' must be from 1 to its {len(gate.inputs)} inputs, not {gate.least}"
        )

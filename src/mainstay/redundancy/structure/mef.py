"""Fault trees of the Open-PSA Model Exchange Format: what other programs write, as a tree and probabilities.

Read: `define-fault-tree` with gates (`and or atleast not xor nand nor`, also within one another), `define-basic-event` and
`define-house-event`, `define-component` (names stay global), `define-CCF-group`, probabilities told as a number. What
else the format has is refused by name, since a tree without it would be another tree.
"""

from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

from mainstay.base.errors import OtherFileError, SpecError
from mainstay.redundancy.structure.cause import alpha, beta, mgl, with_cause
from mainstay.redundancy.structure.formula import AND, ATLEAST, NOT, OR, XOR, Gate, Tree
from mainstay.redundancy.structure.markup import Element, Wrong, read_markup

_GATES = {"and": AND, "or": OR, "atleast": ATLEAST, "not": NOT, "xor": XOR, "nand": AND, "nor": OR}
_NEGATED = ("nand", "nor")
_REFERENCES = ("gate", "basic-event", "house-event", "event")
_TEXTS = ("label", "attributes")
_FOLDERS = ("opsa-mef", "define-fault-tree", "define-component", "model-data")


class FaultTree(NamedTuple):
    """One tree with what is known of its events."""

    name: str
    tree: Tree
    chances: dict[str, float]
    """The probabilities that are told; trees without them have cut sets all the same."""


def read_fault_tree(content: bytes, file: str) -> FaultTree:
    """Read a fault tree; its top event is the one gate that no other has as an input.

    Args:
        content: The XML.
        file: Its name, for errors.

    Raises:
        OtherFileError: it is not such a file, or has what is not understood.
    """
    root = read_markup(content, file)
    reader = _Reader()
    try:
        return reader.read(root)
    except Wrong as wrong:
        raise OtherFileError(file, [wrong.problem]) from None


class _Reader:
    def __init__(self) -> None:
        self.name = ""
        self.gates: dict[str, Gate] = {}
        self.chances: dict[str, float] = {}
        self._events: set[str] = set()
        self._groups: list[Element] = []

    def read(self, root: Element) -> FaultTree:
        if root.name != "opsa-mef":
            raise Wrong(root, "is not opsa-mef, as which fault trees of the Open-PSA format begin")
        self._folder(root)
        return self._finished(root)

    def _folder(self, element: Element) -> None:
        for child in element.children:
            if child.name in _FOLDERS:
                self.name = self.name or child.attributes.get("name", "")
                self._folder(child)
            elif child.name == "define-gate":
                self._gate(child)
            elif child.name == "define-basic-event":
                self._event(child)
            elif child.name == "define-house-event":
                self._house(child)
            elif child.name == "define-CCF-group":
                self._groups.append(child)
            elif child.name not in _TEXTS:
                raise Wrong(child, f"is not understood in {element.name}")

    def _finished(self, root: Element) -> FaultTree:
        used = {name for gate in self.gates.values() for name in gate.inputs}
        tops = [name for name in self.gates if name not in used and not name.startswith("(")]
        if len(tops) != 1:
            found = f"found {len(tops)}: {', '.join(tops[:5])}" if tops else "there is none"
            raise Wrong(root, f"must have one gate that is no other's input, the top event; {found}")
        tree, chances = Tree(tops[0], self.gates), self.chances
        for group in self._groups:
            tree, chances = self._group(group, tree, chances)
        try:
            tree.ordered()
        except SpecError as problem:
            raise Wrong(root, str(problem)) from None
        return FaultTree(self.name or tree.top, tree, chances)

    def _define(self, element: Element) -> str:
        name = _attribute(element, "name")
        if name in self.gates or name in self._events:
            raise Wrong(element, f"'{name}' is defined twice")
        if name.startswith(("(", "[")):
            raise Wrong(element, f"a name does not begin with '{name[0]}'")
        return name

    def _gate(self, element: Element) -> None:
        name = self._define(element)
        formulas = [child for child in element.children if child.name not in _TEXTS]
        if len(formulas) != 1:
            raise Wrong(element, f"'{name}' must have one formula, not {len(formulas)}")
        self.gates[name] = Gate(OR, ())  # taken, so that a second one is told
        self.gates[name] = self._formula(formulas[0])

    def _formula(self, element: Element) -> Gate:
        if element.name not in _GATES:
            return Gate(AND, (self._input(element),))
        inputs = tuple(self._input(child) for child in element.children)
        least = 0
        if not inputs:
            raise Wrong(element, "has no inputs")
        if element.name == "not" and len(inputs) != 1:
            raise Wrong(element, f"has one input, not {len(inputs)}")
        if element.name == "atleast":
            least = _count(element, len(inputs))
        gate = Gate(_GATES[element.name], inputs, least)
        return Gate(NOT, (self._hidden(gate),)) if element.name in _NEGATED else gate

    def _input(self, element: Element) -> str:
        if element.name in _REFERENCES:
            return _attribute(element, "name")
        if element.name == "constant":
            return self._hidden(_constant(element))
        if element.name in _GATES:
            return self._hidden(self._formula(element))
        raise Wrong(element, f"is not understood; allowed are {', '.join((*_GATES, *_REFERENCES))}, constant")

    def _hidden(self, gate: Gate) -> str:
        # A gate without a name of its own: no name of the file's begins like this.
        name = f"({len(self.gates)})"
        self.gates[name] = gate
        return name

    def _event(self, element: Element) -> None:
        name = self._define(element)
        self._events.add(name)
        told = [child for child in element.children if child.name not in _TEXTS]
        if told:
            self.chances[name] = _number(told[0], 0.0, 1.0)

    def _house(self, element: Element) -> None:
        name = self._define(element)
        told = list(element.all("constant"))
        self.gates[name] = _constant(told[0]) if told else Gate(OR, ())

    def _group(
        self, element: Element, tree: Tree, chances: dict[str, float]
    ) -> tuple[Tree, dict[str, float]]:
        model = _attribute(element, "model")
        members = [_attribute(one, "name") for one in _in(element, "members")]
        total = _number(_only(_one(element, "distribution")), 0.0, 1.0)
        factors = [_number(_only(one), 0.0, 1.0) for one in _factors(element)]
        try:
            if model == "beta-factor":
                if len(factors) != 1:
                    raise Wrong(element, f"of beta-factor has one factor, not {len(factors)}")
                sizes = beta(total, len(members), factors[0])
            elif model == "MGL":
                sizes = mgl(total, len(members), factors)
            elif model == "alpha-factor":
                sizes = alpha(total, len(members), factors)
            else:
                raise Wrong(element, f"has the model '{model}'; allowed are beta-factor, MGL, alpha-factor")
            return with_cause(tree, chances, members, sizes)
        except SpecError as problem:
            raise Wrong(element, str(problem)) from None


def _attribute(element: Element, key: str) -> str:
    value = element.attributes.get(key, "")
    if not value or not value.isprintable():
        raise Wrong(element, f"needs {key}")
    return value


def _count(element: Element, most: int) -> int:
    text = _attribute(element, "min")
    # `int` would take underscores, signs, and the digits of all scripts.
    least = int(text) if text.isascii() and text.isdigit() and len(text) < len("1000000") else 0
    if not 0 < least <= most:
        raise Wrong(element, f"min must be from 1 to its {most} inputs, not {text}")
    return least


def _constant(element: Element) -> Gate:
    value = _attribute(element, "value")
    if value not in ("true", "false"):
        raise Wrong(element, f"value must be true or false, not {value}")
    return Gate(AND if value == "true" else OR, ())


def _number(element: Element, low: float, high: float) -> float:
    if element.name not in ("float", "int"):
        raise Wrong(element, "is not understood; a number is told as float")
    text = _attribute(element, "value")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value) or not low <= value <= high:
        raise Wrong(element, f"must be a number from {low:g} to {high:g}, not {text}")
    return value


def _one(element: Element, name: str) -> Element:
    found = list(element.all(name))
    if len(found) != 1:
        raise Wrong(element, f"needs one {name}, not {len(found)}")
    return found[0]


def _in(element: Element, name: str) -> list[Element]:
    return _one(element, name).children


def _only(element: Element) -> Element:
    if len(element.children) != 1:
        raise Wrong(element, f"needs one number, not {len(element.children)}")
    return element.children[0]


def _factors(element: Element) -> Iterator[Element]:
    """Give the factors, in one `factors` or on their own."""
    yield from element.all("factor")
    for several in element.all("factors"):
        yield from several.all("factor")

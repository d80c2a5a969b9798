"""What `mainstay audit` shows: of a system, and of a fault tree."""

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from rich.text import Text

from mainstay.base.errors import EnvironmentProblem, OtherFileError, Problem, TooLarge
from mainstay.cli import show
from mainstay.redundancy.audit.loss import listed
from mainstay.redundancy.audit.markdown import yes
from mainstay.redundancy.structure.bounds import Bounds
from mainstay.redundancy.structure.cutset import CutSets
from mainstay.redundancy.structure.diagram import Diagram
from mainstay.redundancy.structure.importance import importance
from mainstay.redundancy.structure.mef import FaultTree, read_fault_tree
from mainstay.redundancy.structure.truncation import SmallSets

LARGEST = 50 * 2**20
"""Bytes that a fault tree may have."""

_SHOWN = 10
"""Cut sets and events that people are shown; --json has more."""
_LISTED = 1000
_CUT = 3
"""The most events of the cut sets of a tree that is too large to be known exactly."""
_STYLES = {"error": "red", "warning": "yellow", "note": "cyan"}


def system(report: Mapping[str, Any]) -> None:
    """Print the audit of a system."""
    _line(report["system"], "bold")
    show.out.print()
    show.table(_ENTRIES, report["entries"])
    show.out.print()
    _line("Lost alone", "bold")
    for each in report["single_points_of_failure"]:
        _line(f"  {each['sentence']}")
    _pairs(report)
    own = [each for each in report["mainstay"] if not each["stops"]]
    if own:
        show.out.print()
        _line("Mainstay itself", "bold")
    for each in own:
        _line(f"  {each['sentence']}")
    _findings(report)
    for each in report["remarks"]:
        show.warning(each)


_ENTRIES: list[show.Figures] = [
    ("users of", False, 0, lambda row: row["entry"]),
    ("parts", True, 1, lambda row: str(row["parts"])),
    ("survives any one", False, 0, lambda row: yes(row["survives"]["one"])),
    ("any two", False, 0, lambda row: yes(row["survives"]["two"])),
    (
        "any zone",
        False,
        0,
        lambda row: f"no: {listed(row['zones'])}" if row["zones"] else yes(row["survives"]["zone"]),
    ),
]


def _pairs(report: Mapping[str, Any]) -> None:
    together = [each for each in report["cut_sets"] if each["order"] > 1]
    if not together:
        return
    show.out.print()
    _line("Lost together", "bold")
    for each in together[:_SHOWN]:
        _line(f"  losing {listed(each['parts'])} stops {each['entry']}")
    left = len(together) - _SHOWN + sum(row["left_out"] for row in report["entries"])
    if left > 0:
        _line(
            f"  and {left:,} more (--json has {'all' if left + _SHOWN == len(together) else 'the first 1000 of each'})"
        )


def _findings(report: Mapping[str, Any]) -> None:
    show.out.print()
    _line("Findings", "bold")
    if not report["findings"]:
        _line("  no rule found anything")
    for each in report["findings"]:
        accepted = each["accepted"]
        severity = "accepted" if accepted else each["severity"]
        show.out.print(
            Text.assemble(
                (f"  {severity} ", _STYLES.get(severity, "dim")),
                f"{each['file']}:{each['line']}:{each['column']}: {each['message']} ",
                (f"[{each['rule']}]", "dim"),
            ),
            soft_wrap=True,
        )
        _line(f"    {'because' if accepted else 'instead'}: {accepted or each['fix']}", "dim")
    for each in report["unused"]:
        show.warning(f"the baseline accepts {each}, which no rule finds any more")


def _line(text: str, style: str = "") -> None:
    show.out.print(Text(text, style=style), soft_wrap=True)


def fault_tree(file: Path, order: int | None, bounds: Callable[[], Bounds], *, json: bool) -> None:
    """Print what is to be known of a fault tree.

    Args:
        file: Where it is.
        order: The most events of the cut sets; None: any number.
        bounds: Gives those of each of two ways: the exact one, and if that is too long, the other.
        json: Whether a program reads it.

    Raises:
        OtherFileError: it cannot be read.
        TooLarge: neither way fits into the bounds.
    """
    told = known(file, read_fault_tree(_content(file), str(file)), order, bounds)
    if json:
        show.data(told)
    else:
        _tree(told)


def _tree(told: Mapping[str, Any]) -> None:
    nodes = f", {told['nodes']:,} nodes" if told["nodes"] is not None else ""
    _line(f"{told['tree']}: {told['events']:,} events, {told['gates']:,} gates{nodes}", "bold")
    if told["remark"]:
        show.warning(told["remark"])
    if told["probability"] is not None:
        _line(f"probability of the top event {told['probability']:.10g}")
    elif told["between"]:
        low, high = told["between"]
        _line(f"probability of the top event from {low:.4g} to {high:.4g}")
    if told["by_order"] is None:
        _line("failures may mend what others broke (not, xor): it has no minimal cut sets")
        return
    cut = f" of up to {told['order']}" if told["order"] is not None else ""
    _line(f"minimal cut sets{cut}: {sum(told['by_order']):,}")
    for size, count in enumerate(told["by_order"], 1):
        if count:
            _line(f"  {size:>3}  {count:,}")
    for each in told["cut_sets"][:_SHOWN]:
        _line(f"  {{{', '.join(each)}}}")
    if told["importance"]:
        show.out.print()
        show.table(_IMPORTANCE, told["importance"][:_SHOWN])


_IMPORTANCE: list[show.Figures] = [
    ("event", False, 0, lambda row: row["event"]),
    ("Birnbaum", True, 0, lambda row: f"{row['birnbaum']:.6g}"),
    ("criticality", True, 0, lambda row: f"{row['criticality']:.6g}"),
    ("diagnostic", True, 1, lambda row: f"{row['diagnostic']:.6g}"),
    ("RAW", True, 0, lambda row: _times(row["achievement"])),
    ("RRW", True, 0, lambda row: _times(row["reduction"])),
]


def _times(value: float | None) -> str:
    return "infinite" if value is None else f"{value:.6g}"


def known(file: Path, told: FaultTree, order: int | None, bounds: Callable[[], Bounds]) -> dict[str, Any]:
    """Give what is to be known of a fault tree; see `fault_tree`."""
    report: dict[str, Any] = {
        "version": 1,
        "tree": told.name,
        "file": str(file),
        "gates": len(told.tree.gates),
        "order": order,
        "between": None,
        "remark": "",
    }
    try:
        return report | _exactly(told, order, bounds())
    except TooLarge as problem:
        if not told.tree.is_coherent:
            raise
        cut = min(order or _CUT, _CUT)
        remark = f"{problem}; so these are bounds, from all cut sets of up to {cut} events"
        return report | _about(told, cut, bounds()) | {"order": cut, "remark": remark}


def _exactly(told: FaultTree, order: int | None, bounds: Bounds) -> dict[str, Any]:
    diagram = Diagram(told.tree, bounds)
    all_told = all(event in told.chances for event in diagram.events)
    sets = CutSets(diagram, order) if diagram.is_coherent else None
    # The smallest first, without listing all of what may be billions.
    small = CutSets(diagram, 2 if order is None else min(order, 2)) if sets is not None else None
    return {
        "events": len(diagram.events),
        "nodes": len(diagram.nodes),
        "probability": diagram.probability(told.chances) if all_told else None,
        "by_order": sets.by_order() if sets is not None else None,
        "cut_sets": sorted(map(list, islice(small, _LISTED)), key=len) if small is not None else [],
        "importance": _importance(diagram, told.chances) if all_told else [],
    }


def _about(told: FaultTree, order: int, bounds: Bounds) -> dict[str, Any]:
    sets = SmallSets(told.tree, order, bounds)
    all_told = all(event in told.chances for event in sets.events)
    return {
        "events": len(sets.events),
        "nodes": None,
        "probability": None,
        "between": list(sets.probability(told.chances)) if all_told else None,
        "by_order": sets.by_order(),
        "cut_sets": sorted(map(list, islice(sets, _LISTED)), key=len),
        "importance": [],
    }


def _importance(diagram: Diagram, chances: Mapping[str, float]) -> list[dict[str, Any]]:
    found = importance(diagram, chances)
    rows = [
        {"event": name}
        | {key: None if value == float("inf") else value for key, value in each._asdict().items()}
        for name, each in found.items()
    ]
    return sorted(rows, key=lambda row: -row["criticality"])


def _content(file: Path) -> bytes:
    try:
        if not file.is_file():
            raise _unfit(file, "is no file; allowed is a fault tree in XML")
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as problem:
        said = (problem.strerror or str(problem)).lower()
        raise EnvironmentProblem(f"cannot read '{file}': {said}") from problem
    if len(content) > LARGEST:
        raise _unfit(file, f"is larger than {LARGEST} bytes")
    return content


def _unfit(file: Path, why: str) -> OtherFileError:
    return OtherFileError(str(file), [Problem(0, 0, "", why)])

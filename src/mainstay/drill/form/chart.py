r"""The timeline of a cell as a drawing in SVG: what users saw in each tenth of a second, and what happened when.

::

    fault ├──────────────────┤          the marks, each in a lane of its own
            detected
    ▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂        requests; those that failed are hatched
    ─────────/\─────────────────        latency, median and longest, on a logarithmic scale
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from mainstay.drill.form.figure import millis, played, seconds
from mainstay.drill.reading import BIN

Step = Sequence[Any]
"""A line of the timeline: when it begins, how many came, how many of them failed, median and longest latency."""
Scale = Callable[[float], float]

_WIDTH = 960
_LEFT, _RIGHT = 62, 14
_LANE = 17
_REQUESTS, _LATENCY = 78, 104
_BETWEEN, _FOOT = 26, 38
_FLOOR = 0.0001
"""Seconds: no latency is drawn below."""
_TICKS = (0.5, 1, 2, 5, 10, 20, 30, 60)
_AT_MOST = 14
"""Ticks of the time axis."""
_LABEL = 190
"""Room for a label, to the right of its mark."""


class Mark(NamedTuple):
    """Something that happened, seconds from the fault."""

    at: float
    name: str
    words: str


def marks(row: Mapping[str, Any]) -> list[Mark]:
    """Give what happened in a cell, in order."""
    if not played(row):
        return []
    found = [
        Mark(0.0, "fault", f"fault, {seconds(row['lasted'])}" if row["lasted"] else "fault, over at once")
    ]
    if row["detected"] is not None:
        found.append(Mark(row["detected"], "detected", f"detected after {seconds(row['detected'])}"))
    if row["failover"]:
        found.append(Mark(row["failover"], "failover", f"last failure after {seconds(row['failover'])}"))
    if row["recovered"] is not None:
        back = row["lasted"] + row["recovered"]
        found.append(Mark(back, "recovered", f"all back {seconds(back)} after it began"))
    return found


def chart(row: Mapping[str, Any], entry: str, name: str) -> str:
    """Draw what users of one entry point saw in a cell.

    Args:
        row: The cell.
        entry: One of its timeline.
        name: Begins the ids within the drawing, so that no two on a page are the same.
    """
    steps = row["timeline"][entry]
    if not steps:
        return ""
    # The same scale for all entry points of a cell: what happened at the same time stands at the same place.
    lines = [line for line in row["timeline"].values() if line]
    begin, end = min(line[0][0] for line in lines), max(line[-1][0] for line in lines) + BIN
    shown = [mark for mark in marks(row) if mark.at <= end]
    across = _across(begin, end)
    top = 6 + _LANE * len(shown)
    middle = top + _REQUESTS + _BETWEEN
    bottom = middle + _LATENCY
    what = f"{row['fault']} at {row['target']}, as users of {entry} saw it"
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {bottom + _FOOT}" role="img" aria-labelledby="{name}-t {name}-d">',
        f'<title id="{name}-t">{escape(what)}</title><desc id="{name}-d">{escape(_told(steps, shown))}</desc>',
        _hatching(name),
        _span(across, row["lasted"] or 0.0, end, (top, bottom)),
        _time(across, begin, end, (top, bottom)),
        _requests(steps, across, top, name),
        _latency(steps, across, middle),
        *(_mark(mark, across(mark.at), number, bottom) for number, mark in enumerate(shown)),
        "</svg>",
    ]
    return "".join(parts)


def _hatching(name: str) -> str:
    return (
        f'<defs><pattern id="{name}-h" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="hatch" width="5" height="5"/><path class="hatch-line" d="M0 0V5"/></pattern></defs>'
    )


def _told(steps: Sequence[Step], shown: Iterable[Mark]) -> str:
    """Say what the drawing shows."""
    bad = [step for step in steps if step[2]]
    slowest = max((step[4] for step in steps if step[4] is not None), default=None)
    parts = [f"{sum(step[1] for step in steps):,} requests in {steps[-1][0] + BIN - steps[0][0]:.1f} s"]
    if bad:
        count = sum(step[2] for step in bad)
        parts.append(
            f"{count:,} failed, from {bad[0][0]:.1f} s to {bad[-1][0] + BIN:.1f} s after the fault began"
        )
    else:
        parts.append("none failed")
    parts.append(f"the longest answer took {millis(slowest)}")
    return "; ".join((*parts, *(mark.words for mark in shown))) + "."


def _across(begin: float, end: float) -> Scale:
    step = (_WIDTH - _LEFT - _RIGHT) / (end - begin)
    return lambda at: _LEFT + (at - begin) * step


def _span(across: Scale, lasted: float, end: float, height: tuple[int, int]) -> str:
    left, right = across(0.0), across(min(lasted, end))
    return _box("span", left, height[0], right - left, height[1] - height[0]) if lasted else ""


def _time(across: Scale, begin: float, end: float, height: tuple[int, int]) -> str:
    every = next((tick for tick in _TICKS if (end - begin) / tick <= _AT_MOST), _TICKS[-1])
    parts = []
    for number in range(math.ceil(begin / every), math.floor(end / every) + 1):
        x = across(number * every)
        parts.append(f'<path class="rule" d="M{x:.1f} {height[0]}V{height[1]}"/>')
        parts.append(_text(x, height[1] + 17, f"{number * every:g}".replace("-", "\N{MINUS SIGN}"), "middle"))
    return "".join(parts) + _text(_WIDTH - _RIGHT, height[1] + 33, "seconds from the fault", "end")


def _requests(steps: Sequence[Step], across: Scale, top: int, name: str) -> str:
    most = max(1, *(step[1] for step in steps))
    floor = top + _REQUESTS
    wide = across(BIN) - across(0.0)
    served, failed, notes = [], [], []
    for at, sent, bad, *_ in steps:
        x, tall, red = across(at), _REQUESTS * sent / most, _REQUESTS * bad / most
        gap = min(1.0, wide / 5)
        if sent > bad:
            served.append(f"M{x:.1f} {floor - red:.1f}v{red - tall:.1f}h{wide - gap:.1f}v{tall - red:.1f}z")
        if bad:
            failed.append(f"M{x:.1f} {floor}v{-red:.1f}h{wide - gap:.1f}v{red:.1f}z")
            note = f"at {at:.1f} s: {bad} of {sent} failed"
            notes.append(_box("note", x, top, wide, _REQUESTS, note))
    return "".join(
        (
            _text(_LEFT - 8, top + 9, f"{most}", "end"),
            _text(_LEFT - 8, floor, "0", "end"),
            _text(_LEFT - 8, top + _REQUESTS / 2 + 4, "requests", "end"),
            f'<path class="base" d="M{_LEFT} {floor}H{_WIDTH - _RIGHT}"/>',
            f'<path class="served" d="{"".join(served)}"/>' if served else "",
            f'<path class="failed" fill="url(#{name}-h)" d="{"".join(failed)}"/>' if failed else "",
            *notes,
        )
    )


def _latency(steps: Sequence[Step], across: Scale, top: int) -> str:
    known = [step for step in steps if step[3] is not None]
    floor = top + _LATENCY
    base = f'<path class="base" d="M{_LEFT} {floor}H{_WIDTH - _RIGHT}"/>'
    if not known:
        return base + _text(_LEFT + 8, top + 20, "no request was answered", "start")
    low = math.floor(math.log10(max(_FLOOR, min(step[3] for step in known))))
    high = max(low + 1, math.ceil(math.log10(max(_FLOOR, *(step[4] for step in known)))))

    def up(value: float) -> float:
        return floor - _LATENCY * (math.log10(max(_FLOOR, value)) - low) / (high - low)

    ticks = "".join(
        f'<path class="rule" d="M{_LEFT} {up(10.0**power):.1f}H{_WIDTH - _RIGHT}"/>'
        + _text(_LEFT - 8, up(10.0**power) + 4, _decade(power), "end")
        for power in range(low, high + 1)
    )
    band, median, longest = [], [], []
    for run in _runs(steps):
        points = [(across(step[0] + BIN / 2), up(step[3]), up(step[4])) for step in run]
        lower = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)
        upper = "L".join(f"{x:.1f} {y:.1f}" for x, _, y in points)
        back = "L".join(f"{x:.1f} {y:.1f}" for x, _, y in reversed(points))
        band.append(f"M{lower}L{back}z")
        # One step alone is a dot: a line without length is drawn by its round ends.
        median.append(f"M{lower}{'h0' if len(points) == 1 else ''}")
        longest.append(f"M{upper}{'h0' if len(points) == 1 else ''}")
    lines = "".join(
        f'<path class="{name}" d="{"".join(parts)}"/>'
        for name, parts in (("band", band), ("longest", longest), ("median", median))
    )
    return ticks + base + lines


def _runs(steps: Sequence[Step]) -> list[list[Step]]:
    """Give the steps in which somebody was answered, as runs without a gap."""
    found: list[list[Step]] = [[]]
    for step in steps:
        if step[3] is not None:
            found[-1].append(step)
        elif found[-1]:
            found.append([])
    return [run for run in found if run]


def _decade(power: int) -> str:
    return f"{10**power:g} s" if power >= 0 else f"{10.0 ** (power + 3):g} ms"


def _mark(mark: Mark, x: float, lane: int, bottom: int) -> str:
    y = 6 + _LANE * lane
    left = x + _LABEL > _WIDTH
    return (
        f'<g class="mark {mark.name}"><path d="M{x:.1f} {y + 4}V{bottom}"/>'
        f'<circle cx="{x:.1f}" cy="{y + 6}" r="4"/>'
        f"{_text(x - 9 if left else x + 9, y + 10, mark.words, 'end' if left else 'start')}</g>"
    )


def _box(kind: str, x: float, y: float, wide: float, tall: float, note: str = "") -> str:  # noqa: PLR0913, PLR0917 - a rectangle
    inner = f"<title>{escape(note)}</title>" if note else ""
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}">{inner}</rect>'
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'

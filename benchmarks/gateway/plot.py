"""The results as a picture: an SVG, written by hand, since bars and dots need no library."""

from collections.abc import Iterator
from math import log10
from statistics import median

from benchmarks.gateway.bounds import OURS, Results, ratio
from benchmarks.gateway.latency import COMMON
from benchmarks.gateway.request import CASES, RELAY
from benchmarks.picture import COLOURS, picture, text

_LEFT = 210
_WIDTH = 900
_BAR = 13
_GAP = 14
_DECADES = 4
_FLOOR = 0.1


def svg(results: Results) -> str:
    """Draw CPU for each case, then latencies at one rate for all."""
    parts: list[str] = []
    height = 30
    for draw in (_bars, _dots):
        drawn, height = draw(results, height)
        parts += drawn
    return picture(_WIDTH, height, parts)


def _bars(results: Results, top: int) -> tuple[list[str], int]:
    """Draw the CPU of each proxy for a request, as a multiple of ours."""
    cost = results.get("cost", {})
    rows = list(_multiples(cost))
    if not rows:
        return [], top
    most = max(value for _, _, value in rows)
    scale = (_WIDTH - _LEFT - 90) / most
    parts = [text(10, top, "CPU for a request, Mainstay = 1 (shorter is cheaper)", bold=True)]
    top, last = top + 18, ""
    begun = top
    for case, name, value in rows:
        if case != last:
            top += _GAP
            title = RELAY.title if case == "relay" else CASES[case].title
            parts.append(text(10, top + 10, title))
            last = case
        parts.append(
            f'<rect x="{_LEFT}" y="{top}" width="{value * scale:.1f}" height="{_BAR - 2}" fill="{COLOURS[name]}"/>'
        )
        parts.append(text(_LEFT + value * scale + 6, top + 10, f"{name} {value:.2f}"))
        top += _BAR
    parts.append(
        f'<line x1="{_LEFT + scale:.1f}" x2="{_LEFT + scale:.1f}" y1="{begun}" y2="{top}" '
        f'stroke="{COLOURS[OURS]}" stroke-dasharray="3 3"/>'
    )
    return parts, top + 40


def _multiples(cost: dict[str, dict[str, list[dict[str, float]]]]) -> Iterator[tuple[str, str, float]]:
    for case, entries in cost.items():
        for name in entries:
            share = ratio(entries, "cpu_us", OURS, name)
            if share is not None:
                yield case, name, share


def _dots(results: Results, top: int) -> tuple[list[str], int]:
    """Draw p50, p99 and p99.9 on a logarithmic scale."""
    entries = results.get("latency", {}).get(COMMON, {})
    if not entries:
        return [], top
    scale = (_WIDTH - _LEFT - 90) / _DECADES

    def x(value: float) -> float:
        return _LEFT + scale * min(_DECADES, max(0.0, log10(value / _FLOOR)))

    title = f"Latency in ms at {COMMON}: p50, p99 and p99.9 (further left is faster)"
    parts = [text(10, top, title, bold=True)]
    top += 14
    for decade in range(_DECADES + 1):
        value = _FLOOR * 10**decade
        parts.append(text(x(value) - 8, top + 4, f"{value:g}"))
        bottom = top + 14 + 22 * len(entries)
        parts.append(
            f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{top + 8}" y2="{bottom}" stroke="#ddd"/>'
        )
    for name, found in entries.items():
        top += 22
        values = [median(entry[key] for entry in found) for key in ("p50", "p99", "p999")]
        parts.append(text(10, top + 4, name))
        parts.append(
            f'<line x1="{x(values[0]):.1f}" x2="{x(values[-1]):.1f}" y1="{top}" y2="{top}" stroke="{COLOURS[name]}"/>'
        )
        parts += [f'<circle cx="{x(v):.1f}" cy="{top}" r="4" fill="{COLOURS[name]}"/>' for v in values]
    return parts, top + 30

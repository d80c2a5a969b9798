"""Downtime against replicas, as a drawing in SVG: a panel for each service.

::

    1 d ┤ o
    1 h ┤    ▒o▒                        the line is what is expected, the band its 95 % interval
   1 min┤        o──▒o▒──▒o▒            without a line, coverage is unproved: the band is all that can be said
        └─1───2───3───4─── replicas     the ring is what there is now
"""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from mainstay.ledger.figure import span

_WIDTH, _TALL = 720, 300
_LEFT, _RIGHT, _TOP, _FOOT = 84, 20, 46, 44
_FLOOR = 0.1
"""Seconds a year: no downtime is drawn below."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TICKS = (
    *(0.1, 0.3, 1, 3, 10, 30),
    *(_MINUTE, 3 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 3 * _HOUR, 10 * _HOUR, _DAY, 3 * _DAY, 10 * _DAY, 30 * _DAY, 100 * _DAY, 365 * _DAY),
)
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#586673}.title{font-size:16px;font-weight:600;fill:#17212b}"
    ".rule{stroke:#dde3e9;fill:none}.base{stroke:#586673;fill:none}.band{fill:#1b579b;opacity:.18}"
    ".line{stroke:#1b579b;stroke-width:2;fill:none}.dot{fill:#1b579b}.now{fill:none;stroke:#a8201a;stroke-width:2}"
    ".back{fill:#fff}@media(prefers-color-scheme:dark){.back{fill:#161d25}text{fill:#9aa8b5}.title{fill:#e7ecf1}"
    ".rule{stroke:#2a3540}.base{stroke:#9aa8b5}.band,.dot{fill:#8abbf4}.line{stroke:#8abbf4}.now{stroke:#ff938a}}"
)


def drawing(found: dict[str, Any]) -> str:
    """Draw a prediction; every service that clients reach has a panel."""
    rows = found["services"]
    tall = (_TOP + _TALL + _FOOT) * len(rows)
    panels = "".join(_panel(row, number * (_TOP + _TALL + _FOOT)) for number, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {tall}" role="img" aria-labelledby="t">'
        f'<title id="t">{escape(found["system"])}: downtime a year by the number of replicas</title><style>{_STYLE}</style>'
        f'<rect class="back" width="{_WIDTH}" height="{tall}"/>{panels}</svg>\n'
    )


def _panel(row: dict[str, Any], top: int) -> str:
    curve = row["replicas"]["curve"]
    (now,) = [one["instances"] for one in row["components"] if one["component"] == row["service"]]
    known = [one for one in curve if one["proved"]]
    up, ticks = _scale(curve, top + _TOP)
    step = (_WIDTH - _LEFT - _RIGHT) / len(curve)
    xs = [_LEFT + step * (number + 0.5) for number in range(len(curve))]
    floor = top + _TOP + _TALL
    return "".join(
        (
            _text(_LEFT, top + 24, _title(row["service"], known), "start", "title"),
            *(
                f'<path class="rule" d="M{_LEFT} {up(tick):.1f}H{_WIDTH - _RIGHT}"/>'
                + _text(_LEFT - 8, up(tick) + 4, span(tick), "end")
                for tick in ticks
            ),
            f'<path class="base" d="M{_LEFT} {floor}H{_WIDTH - _RIGHT}"/>',
            _band(curve, xs, up),
            _line(curve, xs, up),
            *(_point(one, x, up, now) for one, x in zip(curve, xs, strict=True)),
            *(
                _text(x, floor + 18, str(one["instances"]), "middle")
                for one, x in zip(curve, xs, strict=True)
            ),
            _text(_WIDTH - _RIGHT, floor + 36, "replicas", "end"),
        )
    )


def _title(service: str, known: Sequence[Any]) -> str:
    more = "" if len(known) > 1 else "; coverage is unproved, so only bounds are known"
    return f"{service}: downtime a year{more}"


def _scale(curve: Sequence[dict[str, Any]], top: int) -> tuple[Callable[[float], float], list[float]]:
    """Give where a downtime is drawn, on a logarithmic scale, and the ticks in it."""
    low = max(_FLOOR, min(one["downtime_low"] for one in curve))
    high = max(low * 10, *(one["downtime_high"] for one in curve))
    first, last = math.log10(low), math.log10(high)

    def up(value: float) -> float:
        share = (math.log10(max(low, value)) - first) / (last - first)
        return top + _TALL * (1 - 0.94 * share - 0.03)

    return up, [tick for tick in _TICKS if low <= tick <= high]


def _band(curve: Sequence[dict[str, Any]], xs: Sequence[float], up: Callable[[float], float]) -> str:
    low = [f"{x:.1f} {up(one['downtime_low']):.1f}" for one, x in zip(curve, xs, strict=True)]
    high = [f"{x:.1f} {up(one['downtime_high']):.1f}" for one, x in zip(curve, xs, strict=True)]
    return f'<path class="band" d="M{"L".join([*low, *reversed(high)])}z"/>'


def _line(curve: Sequence[dict[str, Any]], xs: Sequence[float], up: Callable[[float], float]) -> str:
    points = [f"{x:.1f} {up(one['downtime']):.1f}" for one, x in zip(curve, xs, strict=True) if one["proved"]]
    return f'<path class="line" d="M{"L".join(points)}"/>' if len(points) > 1 else ""


def _point(one: dict[str, Any], x: float, up: Callable[[float], float], now: int) -> str:
    said = f"{one['instances']}: {span(one['downtime_low'])} to {span(one['downtime_high'])} a year"
    middle = (
        one["downtime"] if one["proved"] else math.sqrt(one["downtime_low"] * one["downtime_high"] + 1e-9)
    )
    ring = (
        f'<circle class="now" cx="{x:.1f}" cy="{up(middle):.1f}" r="8"/>' if one["instances"] == now else ""
    )
    dot = f'<circle class="dot" cx="{x:.1f}" cy="{up(middle):.1f}" r="3.5"/>' if one["proved"] else ""
    return f"<g><title>{escape(said)}</title>{dot}{ring}</g>"


def _text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'

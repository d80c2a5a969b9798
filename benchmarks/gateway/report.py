"""The results as text."""

from collections.abc import Iterator
from statistics import median

from benchmarks.gateway.bounds import COMPILED, OURS, Bound, Results, judged, ratio
from benchmarks.gateway.latency import COMMON, HALF
from benchmarks.gateway.request import CASES, RELAY

_TITLES = {name: case.title for name, case in CASES.items()} | {"relay": RELAY.title}


def text(results: Results) -> str:
    """Give all tables, and the bounds at the end."""
    return "\n".join(
        line for part in (_head, _cost, _latency, _idle, _workers, _table, _bounds) for line in part(results)
    )


def _head(results: Results) -> Iterator[str]:
    machine = results["machine"]
    yield (
        f"{machine['processors']} processors, Linux {machine['kernel']}, Python {machine['python']}; "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    )
    yield f"{results['rounds']} rounds; other processes had {results['disturbed']:.1%} of the machine's time"
    yield from results["skipped"]


def _cost(results: Results) -> Iterator[str]:
    cost = results.get("cost", {})
    if not cost:
        return
    names = _names(results)
    yield from ("", "CPU µs for a request, median; in brackets Mainstay's as a share of it")
    yield _row("", names)
    for case, entries in cost.items():
        yield _row(_TITLES[case], [_cell(entries, "cpu_us", name) for name in names])
    yield from ("", "Requests in a CPU second of the proxy (a processor of its own), median")
    yield _row("", names)
    for case, entries in cost.items():
        yield _row(
            _TITLES[case],
            [f"{1e6 / _median(entries, 'cpu_us', n):,.0f}" if n in entries else "-" for n in names],
        )
    if large := [case for case in ("1mib", "relay") if case in cost]:
        yield from ("", "CPU seconds for a GiB of answers, median; in brackets Mainstay's as a share of it")
        yield _row("", names)
    for case in large:
        yield _row(_TITLES[case], [_cell(cost[case], "cpu_s_gib", name, 3) for name in names])
    yield from ("", "Requests per second while load and origins shared the other processor, median")
    yield _row("", names)
    for case, entries in cost.items():
        yield _row(
            _TITLES[case], [f"{_median(entries, 'rps', n):,.0f}" if n in entries else "-" for n in names]
        )


def _latency(results: Results) -> Iterator[str]:
    for kind in (HALF, COMMON):
        entries = results.get("latency", {}).get(kind)
        if not entries:
            continue
        yield from ("", f"Milliseconds at {kind}, from when a request was due, median of the rounds")
        yield _row("", ["rate", "p50", "p99", "p99.9", "failed", "load late", "load busy"])
        for name, found in entries.items():
            values = [f"{_median(entries, 'rate', name):,.0f}"]
            values += [f"{_median(entries, key, name):.2f}" for key in ("p50", "p99", "p999")]
            values += [str(sum(int(entry["failed"]) for entry in found))]
            values += [f"{_median(entries, 'late_p999', name):.2f}", f"{_median(entries, 'busy', name):.0%}"]
            yield _row(name, values)


def _idle(results: Results) -> Iterator[str]:
    entries = results.get("idle")
    if entries:
        count = next(iter(entries.values()))[0]["connections"]
        yield from ("", f"KiB of memory for each of {count:,} idle kept-alive connections")
        yield _row("", list(entries))
        yield _row("", [f"{_median(entries, 'octets', name) / 1024:.1f}" for name in entries])


def _workers(results: Results) -> Iterator[str]:
    entries = results.get("workers")
    if entries:
        yield from (
            "",
            "Workers: requests for a CPU second of the busiest, its share of the work, CPU µs each",
        )
        for count in entries:
            yield _row(
                count,
                [
                    f"{_median(entries, 'capacity', count):,.0f}",
                    f"{_median(entries, 'busiest', count):.0%}",
                    f"{_median(entries, 'cpu_us', count):.1f}",
                ],
            )


def _table(results: Results) -> Iterator[str]:
    entries = results.get("table")
    if entries:
        yield from (
            "",
            "A table of 10,000 instances: ms until applied, and the longest pause of the loop in ms",
        )
        titles = {"before": "no table", "new": "all new", "tenth": "a tenth new", "same": "nothing new"}
        for name in entries:
            yield _row(
                titles[name], [f"{_median(entries, key, name) * 1000:.1f}" for key in ("seconds", "pause")]
            )


def _bounds(results: Results) -> Iterator[str]:
    builds = [name for name in (OURS, COMPILED) if name in results["versions"]]
    yield from ("", "Bounds")
    if COMPILED in builds:
        yield f"  {'':82}   {OURS:24}{COMPILED}"
    by_build = zip(*(judged(results, name) for name in builds), strict=True)
    for (bound, first), *more in by_build:
        wanted = f"at {'least' if bound.least else 'most'} {bound.limit:g} {bound.unit}"
        told = [_verdict(bound, value) for value in (first, *(value for _, value in more))]
        yield f"  {bound.title:64}{wanted:>18}   " + "".join(f"{one:24}" for one in told).rstrip()


def _verdict(bound: Bound, value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f} {bound.unit}: {bound.verdict(value)}"


def _names(results: Results) -> list[str]:
    return [name for name in results["versions"] if any(name in by for by in results["cost"].values())]


def _median(entries: dict[str, list[dict[str, float]]], key: str, name: str) -> float:
    return median(entry[key] for entry in entries[name])


def _cell(entries: dict[str, list[dict[str, float]]], key: str, name: str, digits: int = 1) -> str:
    if name not in entries:
        return "-"
    share = ratio(entries, key, name)
    told = f"{_median(entries, key, name):.{digits}f}"
    return told if share is None or name == OURS else f"{told} ({share:.2f})"


def _row(title: str, cells: list[str]) -> str:
    return f"{title:30}" + "".join(f"{cell:>17}" for cell in cells)

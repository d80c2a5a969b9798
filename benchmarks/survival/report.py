"""The matrix as text."""

from collections.abc import Callable, Iterator

from benchmarks.survival.bounds import judged
from benchmarks.survival.faults import FAULTS
from benchmarks.survival.matrix import Results, doubled, entries, middle, systems, total
from benchmarks.survival.ours import NAME, PROXY
from benchmarks.survival.reading import CLASSES, Entry

_TITLE, _CELL = 34, 26


def text(results: Results) -> str:
    """Give all tables, and the bounds at the end."""
    lines = [*_head(results)]
    for work in results["cells"]:
        lines += [*_tables(results, work)]
    return "\n".join([*lines, *_bounds(results)])


def cell(entry: Entry | None) -> str:
    """Tell one run in a few words."""
    return "-" if entry is None else _seen([entry])


def _head(results: Results) -> Iterator[str]:
    machine = results["machine"]
    yield (
        f"{machine['processors']} processors, Linux {machine['kernel']}, Python {machine['python']}; "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    )
    if "disturbed" in results:
        yield f"other processes had up to {results['disturbed']:.1%} of the machine's time"
    yield from results["skipped"]


def _tables(results: Results, work: str) -> Iterator[str]:
    rounds = [len(found) for row in results["cells"][work].values() for found in row.values()]
    many = f"{min(rounds)} to {max(rounds)} rounds" if min(rounds) != max(rounds) else f"{max(rounds)} rounds"
    yield from ("", f"Instances that work for {work} ms; {many}, medians")
    names = systems(results, work)
    for title, show in _TABLES:
        rows = {
            fault: [_cell(results, work, fault, name, show) for name in names]
            for fault in FAULTS
            if fault in results["cells"][work]
        }
        told = [_row(FAULTS[fault].title, cells) for fault, cells in rows.items() if set(cells) != {"-"}]
        if told:
            yield from ("", title, _row("", names), *told)


def _cell(results: Results, work: str, fault: str, name: str, show: Callable[[list[Entry]], str]) -> str:
    found = entries(results, work, fault, name)
    return show(found) if found else "-"


def _seen(found: list[Entry]) -> str:
    failed = " + ".join(_number(middle(found, f"failed.{name}")) for name in CLASSES)
    told = f"{failed}, {_number(middle(found, 'p99'))}"
    for sign, count in (("twice", doubled(found)), ("lost", total(found, "lost"))):
        told += f" {count} {sign}!" if count else ""
    return told


def _one(key: str, none: str = "-") -> Callable[[list[Entry]], str]:
    def show(found: list[Entry]) -> str:
        if not any(key in entry for entry in found):
            return "-"
        return _number(middle(found, key), none)

    return show


def _slowest(found: list[Entry]) -> str:
    return f"{_number(middle(found, 'p50'))} / {_number(middle(found, 'max'))}"


_TABLES: tuple[tuple[str, Callable[[list[Entry]], str]], ...] = (
    ("Failed GETs + POSTs + POSTs with a key; p99 in ms of the good answers while it was broken", _seen),
    ("p50 / longest of the good answers while it was broken, ms", _slowest),
    ("Until nothing more was sent to what was broken, for a while at least, ms", _one("detect", "never")),
    ("Requests that reached what was broken", _one("caught")),
    ("POSTs without a key that failed after that had been known once", _one("avoidable")),
    ("Until the last failure, ms", _one("last_failure")),
    ("Good answers a second while it was broken", _one("goodput")),
    ("Until the end of a process was told, ms", _one("exit_told")),
    ("Until the last replacement was ready, ms", _one("back")),
)


def _bounds(results: Results) -> Iterator[str]:
    for name in (NAME, PROXY):
        verdicts = judged(results, name)
        missed = [one for one in verdicts if not one.met]
        if not verdicts:
            continue
        yield from ("", f"Bounds of {name}: {len(verdicts) - len(missed)} of {len(verdicts)} met")
        for one in missed:
            wanted = f"at {'least' if one.least else 'most'} {_number(one.limit)}"
            yield f"  {FAULTS[one.fault].title:{_TITLE}}{one.what:28}{wanted:>16}, found {_number(one.found, 'none')}"


def _number(number: float | None, none: str = "-") -> str:
    if number is None:
        return none
    return f"{number:.0f}" if number == int(number) or number >= 10 else f"{number:.1f}"  # noqa: PLR2004 - digits that say something


def _row(title: str, cells: list[str]) -> str:
    return f"{title:{_TITLE}}" + "".join(f"{one:>{_CELL}}" for one in cells)

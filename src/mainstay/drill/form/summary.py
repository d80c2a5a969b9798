"""A report in three sentences: how many cells, the worst of them, and what is missing."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mainstay.drill.form.figure import counted, failed, played, seconds
from mainstay.drill.verdict import ACCEPTED, INVALID, NOT_RUN, STALE, SURVIVED, rank


class Summary(NamedTuple):
    """What somebody reads who reads nothing else."""

    cells: str
    worst: str
    missing: str


def summary(report: Mapping[str, Any]) -> Summary:
    """Give what a report says in all."""
    return Summary(_cells(report), _worst(report["cells"]), _missing(report))


def title(report: Mapping[str, Any]) -> str:
    """Give one line: whether it is as expected."""
    rows = report["cells"]
    wrong = sum(not row["met"] for row in _shown(rows))
    unknown = len(rows) - len(_shown(rows))
    if not rows:
        return "nothing was drilled"
    if wrong:
        return f"{wrong:,} of {counted(len(rows), 'cell')} not as expected{f', {unknown:,} not known' if unknown else ''}"
    if unknown:
        return f"{unknown:,} of {counted(len(rows), 'cell')} not known"
    return f"{'all ' if len(rows) > 1 else ''}{counted(len(rows), 'cell')} as expected"


def _shown(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Give the cells of which something is known that still holds."""
    return [row for row in rows if played(row) and row["verdict"] != STALE]


def _cells(report: Mapping[str, Any]) -> str:
    done = _shown(report["cells"])
    met = sum(row["met"] for row in done)
    accepted = sum(row["verdict"] == ACCEPTED for row in done)
    if not done:
        return "No cell of the survival matrix was drilled."
    kind = (
        ("pair of faults", "pairs of faults")
        if all(map(_is_pair, done))
        else ("cell of the survival matrix", "cells of the survival matrix")
    )
    told = f"{counted(len(done), *kind)} {_were(len(done))} drilled"
    kept = f" ({accepted:,} of these as the system file accepts)" if accepted else ""
    if met == len(done):
        return f"{told}, and {'it' if met == 1 else 'all'} came out as expected{kept}."
    if not met:
        return f"{told}, and {'did not come' if len(done) == 1 else 'none came'} out as expected."
    return f"{told}: {met:,} came out as expected{kept}, and {len(done) - met:,} did not."


def _worst(rows: Sequence[Mapping[str, Any]]) -> str:
    done = _shown(rows)
    if not done:
        return "What its users would see when something breaks is not known."
    # By what was measured: what somebody accepts is not better for its users.
    row = max(
        done, key=lambda one: (rank(one["measured"]), one["failed"] / max(1, one["sent"]), one["gap"] or 0)
    )
    if row["measured"] == SURVIVED:
        return "In none of them did a request fail, or take much longer than before."
    where = f"The worst is {row['fault']} at {row['target']}, {row['measured'].replace('_', ' ')}"
    if not row["failed"] or row["measured"] == INVALID:
        return f"{where}: {row['because']}."
    return f"{where}: {failed(row)} requests failed, and nobody was served for {seconds(row['gap'])}."


def _missing(report: Mapping[str, Any]) -> str:
    pairs = [row for row in report["cells"] if _is_pair(row)]
    rows = [row for row in report["cells"] if not _is_pair(row)]
    said = [_gaps(f"Of {counted(len(pairs), 'pair')} that {_were(len(pairs))} asked for", pairs)]
    if rows or not pairs:
        said.append(_missing_cells(report, rows))
    return " ".join((" ".join(filter(None, said)) or "Nothing is missing.", _least_known(report["coverage"])))


def _missing_cells(report: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    implied = f"{counted(report['planned'], 'cell')} that the system file implies"
    others = max(0, report["planned"] - len(rows))
    if report["run"] is None and others:
        # What was not asked for may have been drilled.
        return (
            _gaps(f"Of {counted(len(rows), 'cell')} that {_were(len(rows))} asked for", rows)
            or f"Nothing is missing of what was asked for: {len(rows):,} of {implied}."
        )
    return _gaps(f"Of {implied}", rows, others)


def _gaps(of: str, rows: Sequence[Mapping[str, Any]], others: int = 0) -> str:
    """Say what is missing of some cells, with others that are not among them; empty when nothing is."""
    counts = (
        (sum(row["verdict"] == NOT_RUN for row in rows) + others, "not drilled"),
        (sum(row["verdict"] == STALE for row in rows), "stale"),
        (sum(row["verdict"] == INVALID for row in rows), "without a result that proves anything"),
    )
    gaps = [f"{count:,} {_were(count)} {words}" for count, words in counts if count]
    return f"{of}, {' and '.join(gaps)}." if gaps else ""


def _is_pair(row: Mapping[str, Any]) -> bool:
    return "+" in row["cell"]


def _least_known(coverage: Sequence[Mapping[str, Any]]) -> str:
    if not coverage:
        return "Nothing is known of its coverage."
    one = min(coverage, key=lambda row: row["at_least"])
    more = one["clean_runs_for_95"] - one["trials"]
    clean = one["survived"] == one["trials"]
    wanted = f"; {counted(more, 'clean trial')} more would show 95 %" if clean and more > 0 else ""
    return (
        f"Least is known of {one['class']} faults: {one['survived']:,} of {counted(one['trials'], 'trial')}"
        f" survived, which shows a coverage of at least {one['at_least']:.3f}"
        f" with {one['confidence']:.0%} confidence{wanted}."
    )


def _were(count: int) -> str:
    return "was" if count == 1 else "were"

"""The shape of a report: every field with its meaning, as a JSON Schema and as the reference that is made of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mainstay.drill.fault.kind import CLASSES
from mainstay.drill.report import VERSION
from mainstay.drill.verdict import VERDICTS

Schema = dict[str, Any]


class Field(NamedTuple):
    """One field."""

    shape: Schema
    meaning: str
    """What it says, in which unit, and when it is null."""
    always: bool = True
    """Whether it is there in every object."""


Fields = Mapping[str, Field]

_BOOL: Schema = {"type": "boolean"}
_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_WHEN: Schema = {"type": "number"}
_VERDICT: Schema = {"enum": list(VERDICTS)}
_CLASS: Schema = {"enum": list(CLASSES)}


def _or_null(shape: Schema) -> Schema:
    if "type" in shape:
        return shape | {"type": [shape["type"], "null"]}
    return {"anyOf": [shape, {"type": "null"}]}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _by_name(of: Schema) -> Schema:
    return {"type": "object", "additionalProperties": of}


def _part(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


REPORT: Fields = {
    "version": Field(
        {"const": VERSION}, "version of this shape; it grows when a field goes or changes its meaning"
    ),
    "mainstay": Field(_TEXT, "version of the program that wrote it"),
    "system": Field(_TEXT, "name of the system"),
    "file": Field(_TEXT, "path of its system file"),
    "fingerprint": Field(
        _TEXT,
        "stands for what the system file says, but for its `name` and its `drills`; what was shown under another one is stale",
    ),
    "run": Field(_or_null(_TEXT), "name of the run; null where it is of several (`drill show`)"),
    "at": Field(_WHEN, "when the run began, or when it was shown; seconds since 1970, UTC"),
    "live": Field(
        _or_null(_BOOL), "whether it broke the running system, and not a private copy; null as for `run`"
    ),
    "length": Field(
        _or_null({"enum": ["quick", "standard", "full"]}),
        "how long each part of a drill took; null as for `run`",
    ),
    "rate": Field(_or_null(_SECONDS), "requests a second at each entry point; null as for `run`"),
    "seed": Field(
        _or_null({"type": "integer"}), "replays one schedule of users and one of chance; null as for `run`"
    ),
    "planned": Field(_COUNT, "cells that the system file implies, of which the report may have fewer"),
    "met": Field(_BOOL, "whether every cell of the report is as expected; false when there is none"),
    "worst": Field(_VERDICT, "the worst verdict in it"),
    "coverage": Field(
        _list(_part("coverage")),
        "what is known of each class of faults: of this run; of `drill show`, by all trials of this fingerprint that are kept",
    ),
    "cells": Field(_list(_part("cell")), "the cells, in the order of the plan"),
}
"""The report itself."""

COVERAGE: Fields = {
    "class": Field(_CLASS, "the class of faults"),
    "trials": Field(_COUNT, "cells that were played, and prove something"),
    "survived": Field(_COUNT, "those in which no request failed: `SURVIVED` or `DEGRADED`"),
    "at_least": Field(
        _SHARE, "the share of such failures that is survived at least (Clopper and Pearson, one-sided)"
    ),
    "confidence": Field(_SHARE, "with which confidence"),
    "clean_runs_for_95": Field(_COUNT, "how many trials, all of them survived, would show 0.95"),
}
"""A row of coverage."""

CELL: Fields = {
    "cell": Field(_TEXT, "its name, as in `kill@web`"),
    "fault": Field(_TEXT, "the kind of fault; of two at the same time, both with `+` between them"),
    "target": Field(_TEXT, "the service, zone or instance, or `gateway`; likewise"),
    "class": Field(_CLASS, "the class of the fault; of two, that of the first"),
    "title": Field(_TEXT, "what the fault is, for people"),
    "breaks": Field(_list(_TEXT), "the instances that it breaks; empty when it is about Mainstay itself"),
    "verdict": Field(_VERDICT, "what it counts as"),
    "because": Field(_TEXT, "the reason, in a sentence"),
    "met": Field(_BOOL, "whether it is as expected, or accepted"),
    "expected": Field(_TEXT, "what is expected, for people", always=False),
    "measured": Field(
        _VERDICT,
        "what was measured, whatever is accepted and however old it is; only cells that were played have it",
        always=False,
    ),
    "accepted": Field(
        _or_null(_TEXT), "why the system file accepts another outcome; null when it does not", always=False
    ),
    "sent": Field(_COUNT, "requests from the fault on", always=False),
    "failed": Field(_COUNT, "how many of them failed", always=False),
    "failures": Field(
        _by_name(_COUNT),
        "how they failed, as in `status 503`, `reset` or `timeout`, and how many",
        always=False,
    ),
    "gap": Field(_SECONDS, "the longest time in which every request failed; seconds", always=False),
    "lasted": Field(
        _SECONDS, "how long the fault acted; seconds, 0 for one that is over at once", always=False
    ),
    "detected": Field(
        _or_null(_SECONDS),
        "from the fault until the system told that it noticed; seconds, null when it never did",
        always=False,
    ),
    "failover": Field(
        _SECONDS, "from the fault until the last request that failed; seconds, 0 when none did", always=False
    ),
    "recovered": Field(
        _or_null(_SECONDS),
        "from the end of the fault until all that was lost was back; seconds, null when it was not",
        always=False,
    ),
    "latency": Field(
        {
            "type": "object",
            "properties": {name: _part("latency") for name in ("before", "during", "after")},
            "required": ["before", "during", "after"],
        },
        "how long answers took `before` the fault, `during` it until all was back, and `after`",
        always=False,
    ),
    "retries": Field(_COUNT, "further attempts that the gateway made from the fault on", always=False),
    "hedges": Field(_COUNT, "second attempts beside one that was late", always=False),
    "writes": Field(
        _or_null(_part("writes")), "what became of the writes; null when nobody can tell", always=False
    ),
    "human": Field(_BOOL, "whether somebody had to do something for it to come back", always=False),
    "confirmed": Field(
        _or_null(_TEXT), "the evidence that the fault acted; null when there is none", always=False
    ),
    "aborted": Field(_or_null(_TEXT), "why it was called off; null when it was not", always=False),
    "generator": Field(
        {
            "type": "object",
            "properties": {"lag_p99": _or_null(_SECONDS), "unsent": _COUNT},
            "required": ["lag_p99", "unsent"],
        },
        "of the load itself: `lag_p99`, how late 99 of 100 requests were sent at most, in seconds; and `unsent`, those that"
        " could not be",
        always=False,
    ),
    "routes": Field(
        _by_name(
            {
                "type": "object",
                "properties": {"sent": _COUNT, "failed": _COUNT},
                "required": ["sent", "failed"],
            }
        ),
        "for each entry point and route: requests from the fault on, and how many of them failed",
        always=False,
    ),
    "timeline": Field(
        _by_name(
            _list(
                {
                    "type": "array",
                    "prefixItems": [
                        {"type": "number"},
                        _COUNT,
                        _COUNT,
                        _or_null(_SECONDS),
                        _or_null(_SECONDS),
                    ],
                    "minItems": 5,
                    "maxItems": 5,
                }
            )
        ),
        "for each entry point a list for each tenth of a second: when it began (seconds from the fault), how many requests came,"
        " how many of them failed, and the median and the longest latency of the others (seconds, null when there is none)",
        always=False,
    ),
    "at": Field(_WHEN, "when the fault began; seconds since 1970, UTC", always=False),
    "seed": Field({"type": "integer"}, "as above, of the run that it is from", always=False),
    "run": Field(_TEXT, "the run that it is from", always=False),
    "reproduce": Field(_TEXT, "the command that plays it again", always=False),
    "age": Field(_SECONDS, "only of `drill show`: seconds since it was played", always=False),
}
"""A cell. Those that are not always there are there when it was played."""

LATENCY: Fields = {
    "sent": Field(_COUNT, "requests that users meant to send in this time"),
    "failed": Field(_COUNT, "how many of them failed"),
    "p50": Field(
        _or_null(_SECONDS),
        "half of the answers took no longer; seconds from when the user meant to come, null without answers",
    ),
    "p99": Field(_or_null(_SECONDS), "99 of 100 took no longer; likewise"),
    "max": Field(_or_null(_SECONDS), "the longest; likewise"),
}
"""How long answers took in one part of a cell. Of several entry points, times are those of the slowest."""

WRITES: Fields = {
    "acknowledged": Field(_COUNT, "writes that users got a good answer to"),
    "executed": Field(_COUNT, "writes that the journal of the service has, each counted once"),
    "lost": Field(_COUNT, "those that were acknowledged, and are not in the journal"),
    "twice": Field(_COUNT, "those that are in the journal more than once"),
    "unknown": Field(_COUNT, "those whose user cannot know whether they were carried out"),
}
"""What became of writes."""

PARTS: dict[str, Fields] = {"coverage": COVERAGE, "cell": CELL, "latency": LATENCY, "writes": WRITES}
"""The objects within a report."""

_ONLY_SHOWN = ("age",)


def schema() -> Schema:
    """Give the JSON Schema of a report (draft 2020-12). New fields may come without a new version."""
    parts = {name: _object(fields) for name, fields in PARTS.items()}
    # Of a cell that was played, all that can be known is.
    told = [name for name, field in CELL.items() if not field.always and name not in _ONLY_SHOWN]
    parts["cell"]["dependentRequired"] = {"measured": told}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Report of drills of Mainstay, version {VERSION}",
        **_object(REPORT),
        "$defs": parts,
    }


def _object(fields: Fields) -> Schema:
    return {
        "type": "object",
        "properties": {name: field.shape | {"description": field.meaning} for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.always],
    }

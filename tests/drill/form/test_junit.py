"""JUnit XML, read by a parser that is not ours, and held against what CI services expect of it."""

import xml.etree.ElementTree as ET

import pytest

from mainstay.drill.form.junit import junit
from mainstay.drill.report import unplayed
from matrices import cell

# The parts of junit-10.xsd, as the xUnit plugin of Jenkins publishes it, that are used: what may be in what, which
# attributes must be there, and which may.
SHAPE = {
    "testsuites": ({"testsuite"}, [], ["name", "time", "tests", "failures", "errors"]),
    "testsuite": (
        {"properties", "testcase", "system-out", "system-err"},
        ["name", "tests", "failures", "errors"],
        ["time", "skipped", "timestamp", "hostname", "id", "package"],
    ),
    "properties": ({"property"}, [], []),
    "property": (set(), ["name", "value"], []),
    "testcase": (
        {"skipped", "error", "failure", "system-out", "system-err"},
        ["name"],
        ["classname", "time"],
    ),
    "failure": (set(), [], ["type", "message"]),
    "error": (set(), [], ["type", "message"]),
    "skipped": (set(), [], ["type", "message"]),
    "system-out": (set(), [], []),
}


def read(report):
    return ET.fromstring(junit(report).encode())


def holds(element):
    """See that an element, and all within it, is as the schema says."""
    inner, needed, allowed = SHAPE[element.tag]
    assert set(needed) <= set(element.attrib) <= {*needed, *allowed}
    for one in element:
        assert one.tag in inner, f"{one.tag} in {element.tag}"
        holds(one)


def by_name(root):
    return {case.get("name"): case for case in root.iter("testcase")}


def test_each_cell_is_a_test_case_of_its_target(mixed):
    root = read(mixed)

    case = by_name(root)["kill -> web"]
    assert (case.get("classname"), float(case.get("time"))) == ("drill.web", pytest.approx(5.4))
    assert len(list(root.iter("testcase"))) == len(mixed["cells"])


def test_an_outage_is_a_failure_that_tells_how_many_and_for_how_long(mixed):
    failure = by_name(read(mixed))["kill -> api"].find("failure")

    assert failure.get("type") == "outage"
    assert failure.get("message") == "95 of 200 failed, 1.9 s"
    assert "mainstay drill run --fault kill --target api" in failure.text


def test_what_proves_nothing_is_an_error(mixed):
    error = by_name(read(mixed))["latency -> web"].find("error")

    assert (error.get("type"), error.get("message")) == ("invalid", "nothing shows that the fault acted")


def test_what_is_accepted_stale_or_not_run_is_skipped_with_its_reason(mixed, shop):
    mixed["cells"][0] |= {"verdict": "STALE", "met": False, "because": "too long ago: none of 200 failed"}
    mixed["cells"].append(unplayed(cell(shop, "files@web"), "it was never drilled"))

    cases = by_name(read(mixed))

    found = {name: case.find("skipped") for name, case in cases.items()}
    told = {name: one.get("message") for name, one in found.items() if one is not None}
    assert told["kill -> web"].startswith("STALE: too long ago")
    assert told["freeze -> api"].endswith("accepted: one instance is enough at night")
    assert told["files -> web"] == "NOT_RUN: it was never drilled"


def test_the_counts_are_those_of_the_elements(mixed):
    root = read(mixed)

    kinds = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    for suite in root:
        for count, kind in kinds.items():
            assert int(suite.get(count)) == len(list(suite.iter(kind)))
    assert int(root.get("failures")) == len(list(root.iter("failure")))


def test_numbers_are_properties_of_the_suite_by_fault(mixed):
    root = read(mixed)

    suites = {suite.get("name"): suite for suite in root}
    told = {one.get("name"): one.get("value") for one in suites["drill.api"].iter("property")}
    assert list(suites) == ["drill.web", "drill.api", "drill.a"]
    assert (told["kill.sent"], told["kill.failed"], told["kill.gap"]) == ("200", "95", "1.9")
    assert (told["seed"], told["live"], told["length"]) == ("1", "false", "quick")
    assert "kill.detected" not in told
    assert "evidence: pid 4711 ended" in by_name(root)["kill -> api"].find("system-out").text


def test_it_has_the_shape_that_ci_services_know(mixed):
    holds(read(mixed))


def test_nothing_that_a_stranger_says_breaks_it(hostile):
    root = read(hostile)

    holds(root)
    assert root.get("name").startswith("drill of </title><script>")


def test_a_report_without_a_cell_is_one_without_a_test_case(mixed):
    root = read(mixed | {"cells": [], "coverage": []})

    holds(root)
    assert root.get("tests") == "0"

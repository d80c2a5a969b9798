import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.gateway.crew.telling import Assembly, dump, load
from mainstay.gateway.table import Door, Redirect, Row, Rule, Settings, Table
from mainstay.redundancy.health import HealthSpec
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.pool import PoolSpec
from mainstay.tolerance.backoff import BackoffSpec
from mainstay.tolerance.breaker import BreakerSpec
from mainstay.tolerance.budget import BudgetSpec
from mainstay.tolerance.call import CallSpec
from mainstay.tolerance.retry import RetrySpec


def rows(count):
    return [
        Row(
            service="web", instance=f"web-{n}", generation=n, host="127.0.0.1", port=1024 + n, path="/healthz"
        )
        for n in range(count)
    ]


def table(count):
    return Table(
        version=7,
        doors={"front": Door(rules=[Rule(service="web", host="shop.example", path="/api")])},
        services={"web": Settings(health=HealthSpec(every=3.0), breaker=BreakerSpec(rest=2.0), keyed=True)},
        rows=rows(count),
    )


@pytest.mark.parametrize("count", [0, 1, 200, 1001])
def test_what_was_written_is_read(count):
    assert load(dump(table(count))) == table(count)


@given(st.lists(st.builds(Row, **{column.name: ... for column in fields(Row)}), max_size=3))
def test_whatever_is_in_a_row_is_read_as_it_was_written(rows):
    read = load(dump(Table(version=1, rows=rows))).rows

    assert read == rows
    assert [type(row.talk) for row in read] == [type(row.talk) for row in rows]


def test_no_line_has_more_than_some_hundred_rows():
    lines = dump(table(1001)).splitlines(keepends=True)

    assert all(line.endswith(b"\n") for line in lines)
    assert max(len(json.loads(line)) for line in lines[1:]) <= 200


def test_a_table_is_given_when_it_is_whole_and_then_the_next_one_is_taken():
    intake = Assembly()
    lines = dump(table(1001)).splitlines()

    given = [[intake.take(line) for line in lines] for _ in range(2)]

    assert given == [[*[None] * (len(lines) - 1), table(1001)]] * 2


def test_rows_of_another_version_are_taken_by_the_names_of_their_columns():
    head, values = (json.loads(line) for line in dump(table(1)).splitlines())
    head["columns"] = ["weather", *head["columns"][:5]]

    intake = Assembly()
    intake.take(json.dumps(head).encode())
    taken = intake.take(json.dumps([["fair", *values[0][:5]]]).encode())

    assert taken.rows == [Row("web", "web-0", 0, "127.0.0.1", 1024)]


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[]",
        b"{}",
        b'{"table": {}, "columns": [], "rows": 0}',
        b'{"table": {"version": 1}, "columns": 3, "rows": 0}',
        b'{"table": {"version": 1}, "columns": [], "rows": null}',
    ],
)
def test_what_is_no_beginning_of_a_table_is_refused(line):
    with pytest.raises(ValueError):  # noqa: PT011 - JSON, pydantic and we each have words of their own
        Assembly().take(line)


@pytest.mark.parametrize("line", [b"nonsense", b'[["web"]]', b"[[" + b"1, " * 99 + b"1]]", b"3"])
def test_what_are_no_rows_is_refused(line):
    intake = Assembly()
    intake.take(dump(table(1)).splitlines()[0])

    with pytest.raises(ValueError):  # noqa: PT011 - JSON and we each have words of their own
        intake.take(line)


def test_a_part_of_a_table_is_none():
    with pytest.raises(ValueError, match="not whole"):
        load(dump(table(1001)).rpartition(b"\n[[")[0])


def test_every_part_of_every_setting_is_read():
    retry = RetrySpec(
        attempts=5, backoff=BackoffSpec(base=0.2), budget=BudgetSpec(share=0.4), statuses=frozenset({503})
    )
    settings = Settings(
        health=None,
        pool=PoolSpec(balance="least", outlier=OutlierSpec(refused=7)),
        call=CallSpec(attempt=1.0, request=2.0, retry=retry),
        breaker=None,
    )
    told = Table(version=1, services={"web": settings, "api": Settings(pool=PoolSpec(outlier=None))})

    assert load(dump(told)) == told


def test_what_a_newer_supervisor_knows_of_a_setting_is_left_out():
    head = json.loads(dump(table(0)))
    head["table"]["services"]["web"]["health"]["weather"] = "fair"

    assert Assembly().take(json.dumps(head).encode()) == table(0)


@pytest.mark.parametrize("count", [200, 201, 1001])
def test_many_rules_have_lines_of_their_own(count):
    rules = [Rule(service="web", host=f"shop-{n}.example", path="/api") for n in range(count)]
    redirects = [Redirect(path=f"/old-{n}", to="/new") for n in range(count)]
    told = replace(
        table(3), doors={"front": Door(rules=rules, redirects=redirects), "back": Door(rules=rules[:1])}
    )

    lines = dump(told).splitlines()

    assert load(dump(told)) == told
    assert max(line.count(b"shop-") for line in lines) <= 201
    assert (len(lines) == 2) is (count == 200)


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ([["front", "rules"]], b"nonsense"),
        ([["front", "rules"]], b'[{"host": "a"}]'),
        ([["front", "doors"]], b"[]"),
        ([["nowhere", "rules"]], b"[]"),
    ],
)
def test_what_is_no_part_of_a_door_is_refused(parts, line):
    head = json.loads(dump(table(0)))
    intake = Assembly()
    intake.take(json.dumps(head | {"parts": parts}).encode())

    with pytest.raises(ValueError):  # noqa: PT011 - JSON, pydantic and we each have words of their own
        intake.take(line)

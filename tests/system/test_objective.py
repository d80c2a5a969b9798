import datetime as dt

import pytest

from mainstay.base.errors import SystemFileError
from mainstay.reliability.objective import TIMESLICES
from mainstay.system.load import load
from mainstay.system.objective import Objective, told
from mainstay.system.schema import System

LISTEN = "    listen: http://127.0.0.1:8080\n"


def problems(tmp_path, keys, listen=LISTEN, top=""):
    file = tmp_path / "mainstay.yaml"
    file.write_text(f"{top}services:\n  web:\n    command: run\n{listen}    objective: {keys}\n")
    with pytest.raises(SystemFileError) as refused:
        load(file, {})
    return [line.removeprefix(f"{file}:") for line in refused.value.lines()]


def objective(**keys):
    return Objective.model_validate(keys)


def at(text, zone=dt.UTC):
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            "{}",
            "5:16: services.web.objective: must have availability or latency, as in { availability: 99.9% }",
        ),
        (
            "99.9%",
            "5:16: services.web.objective: found '99.9%', allowed: off, or a mapping of its keys, as in { availability: 99.9% }",
        ),
        (
            "{availability: 100%}",
            "5:31: services.web.objective.availability: must be below 100%: what may never fail has no budget, and everything fails sometimes",
        ),
        ("{availability: 99.9}", "5:31: services.web.objective.availability: 99.9 has no unit: write 99.9%"),
        (
            "{latency: {99: 1s}}",
            "5:27: services.web.objective.latency.99: '99' is not a percentile: write p and a number below 100, as in p99 or p99.9",
        ),
        (
            "{availability: 99%, over: 10m}",
            "5:42: services.web.objective.over: must be from 1h to 366d, or one of week, month, quarter, year",
        ),
        (
            "{availability: 99%, over: decade}",
            "5:42: services.web.objective.over: 'decade' is not a duration: write a number and one of ms, s, m, h, d, as in 500ms; or one of week, month, quarter, year",
        ),
        (
            "{availability: 99%, over: month, time_zone: Mars/Olympus}",
            "5:60: services.web.objective.time_zone: 'Mars/Olympus' is not a time zone of this machine: write one as in Europe/Berlin",
        ),
        (
            "{availability: 99%, time_zone: UTC}",
            "5:47: services.web.objective.time_zone: means nothing with `over: 30d`: it begins at no midnight",
        ),
        (
            "{availability: 99%, budgeting: timeslices}",
            "5:5: services.web.objective.slice: 1m is too fine for so long a time: what was counted in each is kept for 14d, and a larger slice for longer",
        ),
        (
            "{availability: 99%, slice: 1h}",
            "5:43: services.web.objective.slice: means nothing with `budgeting: occurrences`: no slices are counted",
        ),
        (
            "{availability: 99%, good: [5xx]}",
            "5:42: services.web.objective.good: found '5xx', allowed: 1xx, 2xx, 3xx, 4xx, and lists of them",
        ),
    ],
)
def test_what_cannot_be_promised_is_told_at_its_place(tmp_path, keys, said):
    assert problems(tmp_path, keys) == [said]


def test_what_takes_no_requests_promises_nothing(tmp_path):
    (said,) = problems(tmp_path, "{availability: 99%}", listen="")

    assert said.endswith("services.web.objective: means nothing without `listen`: no requests come here")


def test_tcp_has_no_answers_whose_latency_could_be_promised(tmp_path):
    (said,) = problems(tmp_path, "{latency: {p99: 1s}}", listen="    listen: tcp://127.0.0.1:8080\n")

    assert "objective.latency: is for HTTP" in said


def test_it_says_which_share_has_to_be_good():
    found = objective(availability="99.9%", latency={"p99": "300ms", "p99.9": "1s"}, over="30d").specs()

    assert {name: (spec.target, spec.latency) for name, spec in found.items()} == {
        "availability": (0.999, None),
        "p99": (0.99, 0.3),
        "p99.9": (0.999, 1.0),
    }
    assert [told(name, spec) for name, spec in found.items()] == [
        "99.9% good",
        "99% within 300ms",
        "99.9% within 1s",
    ]


def test_slices_are_told_by_their_keys():
    found = objective(
        availability="99%", over="14d", budgeting="timeslices", slice="1h", slice_target="90%", at_least=9
    )

    spec = found.specs()["availability"]
    assert (spec.method, spec.slice, spec.slice_target, spec.at_least) == (TIMESLICES, 3600, 0.9, 9)


@pytest.mark.parametrize(
    ("over", "now", "since", "until"),
    [
        ("week", "2026-03-05T12:00", "2026-03-02", "2026-03-09"),
        ("month", "2026-12-31T23:59", "2026-12-01", "2027-01-01"),
        ("quarter", "2026-11-05T00:00", "2026-10-01", "2027-01-01"),
        ("year", "2026-01-01T00:00", "2026-01-01", "2027-01-01"),
    ],
)
def test_a_period_of_the_calendar_begins_at_midnight(over, now, since, until):
    found = objective(availability="99%", over=over).period(at(now))

    assert found == (at(since), at(until))


def test_midnight_is_where_the_time_zone_is():
    found = objective(availability="99%", over="month", time_zone="Europe/Berlin").period(
        at("2026-03-31T23:00")
    )

    # Summer time began within March, and April has begun in Berlin already.
    assert found == (at("2026-03-31T22:00"), at("2026-04-30T22:00"))


def test_a_rolling_period_ends_now():
    assert objective(availability="99%", over="7d").period(1e9) == (1e9 - 7 * 86400, 1e9)


def test_who_is_told_is_one_of_three(tmp_path):
    top = (
        "alerts:\n  - {}\n  - { webhook: http://h/x, command: run }\n  - { webhook: https://u:p@h/secret }\n"
    )

    said = problems(tmp_path, "{availability: 99%}", top=top)

    assert said == [
        "2:5: alerts[0]: must have one of webhook, command, alertmanager; it has none",
        "3:5: alerts[1]: must have one of webhook, command, alertmanager; it has webhook and command",
        "4:16: alerts[2].webhook: must have neither a user nor a #: write http://HOST:PORT/PATH or https://HOST/PATH",
    ]


@pytest.mark.parametrize("url", ["ftp://h/", "http://:1/", "http://h:99999/", "http://h/a b", "nonsense"])
def test_what_is_no_address_is_refused_and_not_repeated(tmp_path, url):
    (said,) = problems(tmp_path, "{availability: 99%}", top=f"alerts:\n  - webhook: {url}\n")

    assert "alerts[0].webhook: " in said
    assert url not in said


def test_nobody_is_told_what_may_be_a_secret():
    system = System.model_validate(
        {
            "services": {"web": {"command": "run"}},
            "alerts": [
                {"webhook": "https://hooks.example/services/T0/secret", "severity": "page"},
                {"command": "notify --token secret"},
                {"alertmanager": "http://127.0.0.1:9093"},
            ],
        }
    )

    assert [one.name for one in system.alerts] == [
        "webhook https://hooks.example",
        "command 'notify'",
        "alertmanager http://127.0.0.1:9093",
    ]
    assert [one.wants("ticket") for one in system.alerts] == [False, True, True]

"""Toxics: what clients say, and which fault on a leg it becomes."""

import json

import pytest

from mainstay.drill.toxiproxy.toxic import TYPES, Wrong, changed, read
from mainstay.gateway.fault.spec import Target, asked

SLICER = {"average_size": 64, "size_variation": 8, "delay": 500}


def toxic(type_, attributes=None, **more):
    return read(json.dumps({"type": type_, "attributes": attributes or {}, **more}).encode())


@pytest.mark.parametrize(
    ("type_", "attributes", "fault"),
    [
        ("latency", {"latency": 300, "jitter": 50}, {"fault": "latency", "delay": 0.3, "jitter": 0.05}),
        ("latency", {"jitter": 50}, {"fault": "latency", "delay": 0.001, "jitter": 0.05}),
        ("bandwidth", {"rate": 20}, {"fault": "bandwidth", "rate": 20_000}),
        ("bandwidth", {"rate": 0}, {"fault": "silent"}),
        ("slow_close", {"delay": 250}, {"fault": "slow-close", "delay": 0.25}),
        ("timeout", {"timeout": 0}, {"fault": "silent", "after": 0.0}),
        ("timeout", {"timeout": 1500}, {"fault": "silent", "after": 1.5}),
        ("reset_peer", {"timeout": 0}, {"fault": "cut", "after": 0.0}),
        ("reset_peer", {"timeout": 2000}, {"fault": "cut", "after": 2.0}),
        ("slicer", SLICER, {"fault": "slices", "size": 64, "variation": 8, "delay": 0.0005}),
        ("limit_data", {"bytes": 100}, {"fault": "limit", "bytes": 100}),
        ("packet_loss", {"loss_rate": 0.1}, {"fault": "loss", "share": 0.1}),
    ],
)
@pytest.mark.parametrize(("stream", "direction"), [("upstream", "to"), ("downstream", "from")])
def test_each_type_becomes_a_fault_that_the_gateway_takes(type_, attributes, fault, stream, direction):
    made = toxic(type_, attributes, stream=stream, toxicity=0.5).fault()

    assert made == fault | {"direction": direction, "toxicity": 0.5}
    spec = asked({"service": "web", **made}, {"web": Target({"web-1": "::1"})}, id_="f", seed=1, now=0.0)
    assert spec.direction == direction


@pytest.mark.parametrize("type_", ["latency", "slow_close", "packet_loss"])
def test_what_does_nothing_there_does_nothing_here(type_):
    assert toxic(type_).fault() is None


@pytest.mark.parametrize("type_", TYPES)
def test_silence_means_what_it_means_there(type_):
    one = read(json.dumps({"type": type_}).encode())

    assert (one.name, one.stream, one.toxicity) == (f"{type_}_downstream", "downstream", 1.0)
    assert set(one.attributes.values()) == {0}
    assert read(json.dumps(one.told()).encode()) == one


def test_a_change_leaves_the_rest_as_it_was():
    one = toxic("latency", {"latency": 300, "jitter": 50}, name="slow", stream="upstream")

    other = changed(one, b'{"attributes": {"latency": 10}, "toxicity": 0.25, "stream": "downstream"}')

    assert other.told() == {
        "attributes": {"latency": 10, "jitter": 50},
        "name": "slow",
        "type": "latency",
        "stream": "upstream",
        "toxicity": 0.25,
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "bad request body: it must be JSON"),
        (b"[" * 100_000, "bad request body: it must be JSON"),
        (b"[]", "bad request body: it must be an object"),
        (b"{}", "invalid toxic type: None; there are: latency, bandwidth"),
        (b'{"type": ["latency"]}', "invalid toxic type"),
        (b'{"type": "latency", "stream": "up"}', "can be either upstream or downstream, not 'up'"),
        (b'{"type": "latency", "stream": 1}', "stream must be a string"),
        (b'{"type": "latency", "name": {}}', "name must be a string"),
        (b'{"type": "latency", "toxicity": 2}', "toxicity must be a number from 0 to 1, not 2"),
        (b'{"type": "latency", "toxicity": true}', "toxicity must be a number from 0 to 1, not True"),
        (b'{"type": "latency", "attributes": []}', "attributes must be an object"),
        (b'{"type": "latency", "attributes": {"delay": 1}}', "'delay'; there are: latency, jitter"),
        (b'{"type": "latency", "attributes": {"latency": -1}}', "latency must be a whole number from 0"),
        (b'{"type": "latency", "attributes": {"latency": 1.5}}', "must be a whole number, not 1.5"),
        (b'{"type": "latency", "attributes": {"latency": "1"}}', "a whole number from 0, not '1'"),
        (b'{"type": "latency", "attributes": {"latency": NaN}}', "a whole number from 0, not nan"),
        (
            b'{"type": "packet_loss", "attributes": {"loss_rate": 2}}',
            "loss_rate must be a number from 0 to 1",
        ),
    ],
)
def test_what_cannot_be_read_is_told(body, said):
    with pytest.raises(Wrong) as told:
        read(body)

    assert said in str(told.value)
    assert told.value.status == 400


@pytest.mark.parametrize(
    ("type_", "attributes", "said"),
    [
        ("slicer", {}, "average_size must be above 0"),
        ("slicer", {"average_size": 4, "size_variation": 4}, "size_variation must be less than average_size"),
        ("packet_loss", {"loss_rate": 0.1, "correlation": 0.5}, "correlation must be 0"),
    ],
)
def test_what_cannot_be_done_is_told(type_, attributes, said):
    one = toxic(type_, attributes)

    with pytest.raises(Wrong, match=said):
        one.fault()

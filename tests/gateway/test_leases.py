"""Faults as somebody asks for them: what can be asked for, and who ends them."""

import pytest

from mainstay.drill.fault.kind import KINDS as DRILLED
from mainstay.drill.fault.kind import TRAFFIC
from mainstay.gateway.fault.kind import KINDS
from mainstay.gateway.fault.spec import FaultProblem, FaultSpec, Target, asked

TARGETS = {
    "web": Target({"web-1": "127.0.0.1", "web-2": "127.0.0.1"}),
    "pay": Target({"a.pay.example:80": "a.pay.example"}),
    "six": Target({"[::1]:80": "::1"}),
    "db": Target({"db-1": "127.0.0.1"}, tcp=True),
    "job": Target({"job-1": "127.0.0.1"}, routed=False),
}
NEEDED = {
    "latency": {"delay": 0.3},
    "bandwidth": {"rate": 1000},
    "loss": {"share": 0.1},
    "limit": {"bytes": 100},
    "slices": {"size": 10},
    "slow-close": {"delay": 0.3},
}


def ask(**body):
    return asked(body, TARGETS, id_="f-1", seed=5, now=100.0)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_can_be_asked_for_with_what_it_needs(kind):
    spec = ask(fault=kind, service="pay", **NEEDED.get(kind, {}))

    assert (spec.fault, spec.seed, spec.lease, spec.until) == (kind, 5, 10.0, 110.0)
    assert spec.parameters.keys() == {*KINDS[kind].numbers, *(["direction"] if KINDS[kind].direction else [])}
    assert FaultSpec.heard(spec.told()) == spec


@pytest.mark.parametrize("kind", [kind for kind in DRILLED.values() if kind.means == TRAFFIC])
def test_whatever_a_drill_does_to_traffic_can_be_asked_for(kind):
    body = {"fault": kind.order, "service": "pay", **kind.parameters}

    assert ask(**body).fault in KINDS


def test_it_can_be_aimed_at_some_instances_for_some_time():
    spec = ask(fault="errors", service="web", instances=["web-2"], lease=2, seed=9, status=500, share=0.5)

    assert spec.aims_at("web", "web-2")
    assert not spec.aims_at("web", "web-1")
    assert not spec.aims_at("db", "web-2")
    assert (spec.until, spec.seed, spec.parameters) == (102.0, 9, {"status": 500, "share": 0.5})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"fault": "latancy", "service": "web"}, "fault: 'latancy' is not known; there are: latency, "),
        ({"fault": "latancy", "service": "web"}, "did you mean 'latency'?"),
        ({"service": "web"}, "fault: none was told"),
        ({"fault": ["latency"], "service": "web"}, "fault: \\['latency'\\] is not known"),
        ({"fault": "refuse", "service": "wbe"}, "did you mean 'web'?"),
        ({"fault": "refuse"}, "service: none was told; there are: web, pay"),
        ({"fault": "refuse", "service": "job"}, "services.job has no listener"),
        ({"fault": "refuse", "service": "web", "instances": ["web-3"]}, "instances of web: 'web-3' is not"),
        ({"fault": "refuse", "service": "web", "instances": []}, "instances must be a list of names, not"),
        ({"fault": "refuse", "service": "web", "instances": "web-1"}, "instances must be a list of names"),
        ({"fault": "refuse", "service": "web", "lease": 0.5}, "lease must be a number from 1 to 60; not 0.5"),
        ({"fault": "refuse", "service": "web", "lease": 61}, "lease must be a number from 1 to 60; not 61"),
        ({"fault": "refuse", "service": "web", "lease": True}, "lease must be a number"),
        ({"fault": "refuse", "service": "web", "lease": float("nan")}, "lease must be a number"),
        ({"fault": "refuse", "service": "web", "seed": "x"}, "seed must be a whole number"),
        ({"fault": "refuse", "service": "web", "delay": 1}, "refuse has no 'delay'; there are: "),
        ({"fault": "latency", "service": "web"}, "latency.delay must be .* to 60; none was told"),
        ({"fault": "latency", "service": "web", "delay": -1}, "latency.delay must be .*; not -1"),
        ({"fault": "latency", "service": "web", "dealy": 1}, "did you mean 'delay'?"),
        ({"fault": "errors", "service": "web", "status": 404}, "a whole number from 500 to 599; not 404"),
        ({"fault": "errors", "service": "web", "status": 503.0}, "a whole number from 500 to 599"),
        ({"fault": "stall", "service": "web", "share": 1.5}, "stall.share must be a number from 0 to 1"),
        ({"fault": "partition", "service": "web", "direction": "up"}, "there are: both, to, from"),
        ({"fault": "errors", "service": "db"}, "services.db speaks TCP; possible: latency"),
        ({"fault": "dns", "service": "web"}, "no name is looked up for services.web"),
        ({"fault": "dns", "service": "six"}, "no name is looked up for services.six"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_found_and_what_is_allowed(body, said):
    with pytest.raises(FaultProblem, match=said.replace("?", "\\?")):
        ask(**body)


def test_what_is_no_object_is_refused():
    with pytest.raises(FaultProblem, match="the body must be an object"):
        asked([1], TARGETS, id_="f-1", seed=5, now=0.0)

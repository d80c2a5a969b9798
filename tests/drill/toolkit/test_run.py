"""Experiments as the public documentation of Chaos Toolkit shows them, run on a real server."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.drill.toolkit.experiment import Experiment, check, read
from mainstay.drill.toolkit.run import Run, Terms, failures


def web(name="the shop answers", **more):
    return {
        "type": "probe",
        "name": name,
        "tolerance": 200,
        "provider": {"type": "http", "url": "${url}", "timeout": 5},
    } | more


def move(name, source, target, **more):
    arguments = {"src": source, "dst": target}
    return {
        "type": "action",
        "name": name,
        "provider": {"type": "python", "module": "os", "func": "rename", "arguments": arguments},
    } | more


def lose(shop, **more):
    return move("lose the catalogue", str(shop.catalogue), f"{shop.catalogue}.gone", **more)


def find(shop, **more):
    return move("find it again", f"{shop.catalogue}.gone", str(shop.catalogue), **more)


def shell(name, line, **provider):
    return {
        "type": "action",
        "name": name,
        "provider": {"type": "process", "path": "sh", "arguments": ["-c", line], **provider},
    }


def experiment(method, rollbacks=(), probes=None, **more):
    told = {
        "title": "What if the catalogue is lost?",
        "description": "The shop goes on without it.",
        "steady-state-hypothesis": {
            "title": "The shop sells",
            "probes": [web()] if probes is None else probes,
        },
        "method": list(method),
        "rollbacks": list(rollbacks),
    } | more
    assert list(check(told)) == []
    return Experiment(told)


async def journal(shop, told, **terms):
    return await Run(told, Terms(values={"url": shop.url}, **terms)).journal()


async def test_an_experiment_of_the_documentations_shape_runs_to_its_end(shop, tmp_path):
    (file := tmp_path / "experiment.yaml").write_text(f"""\
title: Does the shop survive the loss of its catalogue?
description: It is read for each request, and the shop has no other.
tags: [tutorial, filesystem]
configuration:
  url: http://nobody.invalid/
steady-state-hypothesis:
  title: The catalogue is there and the shop has something to sell
  probes:
    - type: probe
      name: the catalogue exists
      tolerance: true
      provider: {{ type: python, module: os.path, func: exists, arguments: {{ path: {shop.catalogue} }} }}
    - type: probe
      name: the shop answers
      tolerance: 200
      provider: {{ type: http, timeout: [2, 3], url: "${{url}}" }}
    - type: probe
      name: there is rope
      tolerance: {{ type: jsonpath, path: "$.items[0].name", expect: rope, target: body }}
      provider: {{ type: http, url: "${{url}}" }}
method:
  - type: action
    name: the catalogue moves
    provider: {{ type: process, path: mv, arguments: ["{shop.catalogue}", "{shop.catalogue}.gone"] }}
    pauses: {{ after: 0.01 }}
  - ref: the shop answers
rollbacks:
  - type: action
    name: it moves back
    provider: {{ type: process, path: mv, arguments: "{shop.catalogue}.gone {shop.catalogue}" }}
""")  # fmt: skip

    made = await journal(shop, read(file))

    assert (made["status"], made["deviated"]) == ("completed", True)
    assert made["steady_states"]["before"]["steady_state_met"] is True
    assert [probe["tolerance_met"] for probe in made["steady_states"]["before"]["probes"]] == [
        True,
        True,
        True,
    ]
    assert [probe["tolerance_met"] for probe in made["steady_states"]["after"]["probes"]] == [False]
    assert [(one["activity"]["name"], one["status"]) for one in made["run"]] == [
        ("the catalogue moves", "succeeded"),
        ("the shop answers", "succeeded"),
    ]
    assert made["run"][1]["output"]["status"] == 503
    assert made["run"][1]["output"]["body"] == {"error": "no catalogue"}
    assert made["rollbacks"][0]["output"]["status"] == 0
    assert shop.catalogue.exists()
    assert made["experiment"]["tags"] == ["tutorial", "filesystem"]
    assert json.loads(json.dumps(made))["duration"] > 0


async def test_an_outage_that_heals_while_the_method_goes_on_is_a_deviation(shop):
    told = experiment([lose(shop), find(shop)])
    pausing = experiment([lose(shop, pauses={"after": 0.3}), find(shop)])

    unseen = await journal(shop, told)
    seen = await journal(shop, pausing, hypothesis="continuously", frequency=0.05)

    assert (unseen["status"], unseen["deviated"]) == ("completed", False)
    assert (seen["status"], seen["deviated"]) == ("completed", True)
    assert seen["steady_states"]["after"]["steady_state_met"] is True
    assert failures(seen)
    assert all(state["start"] > seen["start"] for state in failures(seen))
    assert len(seen["steady_states"]["during"]) > len(failures(seen))


async def test_a_check_that_hangs_does_not_hold_up_the_next_ones(shop):
    slow = {
        "type": "probe",
        "name": "slow",
        "tolerance": 0,
        "provider": {"type": "process", "path": "sleep", "arguments": ["0.4"]},
    }
    told = experiment([shell("wait", "sleep 0.5")], probes=[slow])

    made = await journal(shop, told, hypothesis="during-method-only", frequency=0.1)

    starts = [state["start"] for state in made["steady_states"]["during"]]
    ends = [state["end"] for state in made["steady_states"]["during"]]
    assert len(starts) >= 2
    assert starts[1] < ends[0]
    assert (made["steady_states"]["before"], made["steady_states"]["after"]) == (None, None)


@pytest.mark.parametrize(
    ("strategy", "played"), [("default", 0), ("always", 1), ("never", 0), ("deviated", 0)]
)
async def test_nothing_is_done_to_a_system_that_is_not_steady(shop, strategy, played):
    shop.catalogue.unlink()
    told = experiment([shell("break", "exit 0")], [shell("mend", "exit 0")])

    made = await journal(shop, told, rollbacks=strategy)

    assert (made["status"], made["deviated"], made["run"]) == ("failed", False, [])
    assert len(made["rollbacks"]) == played


async def test_a_failed_rollback_does_not_stop_the_others(shop):
    never = {"type": "action", "name": "x", "provider": {"type": "python", "module": "os", "func": "nothing"}}
    told = experiment([], [never, shell("mend", "exit 3")])

    made = await journal(shop, told)

    assert [one["status"] for one in made["rollbacks"]] == ["failed", "succeeded"]
    assert "has no attribute 'nothing'" in made["rollbacks"][0]["exception"][0]


@pytest.mark.parametrize(("strategy", "played"), [("default", 0), ("always", 1)])
async def test_who_interrupts_it_leaves_nothing_running_and_a_journal(shop, strategy, played):
    told = experiment([shell("one", "exit 0"), shell("wait", "sleep 60")], [shell("mend", "exit 0")])
    began = asyncio.Event()
    running = asyncio.ensure_future(
        journal(
            shop,
            told,
            rollbacks=strategy,
            tell=lambda news: began.set() if "tolerance_met" not in news else None,
        )
    )
    await began.wait()

    running.cancel()
    made = await running

    assert (made["status"], made["deviated"]) == ("interrupted", False)
    assert made["run"][1]["exception"] == ["it was interrupted"]
    assert len(made["rollbacks"]) == played


async def test_what_takes_longer_than_its_time_has_failed(shop):
    told = experiment(
        [
            shell("hang", "sleep 60", timeout=0.1),
            web("nobody", provider={"type": "http", "url": "http://127.0.0.1:1/"}),
        ]
    )

    made = await journal(shop, told)

    assert [one["status"] for one in made["run"]] == ["failed", "failed"]
    assert made["run"][0]["exception"] == ["not done within 0.1 s"]
    assert made["run"][1]["exception"][0].startswith("no answer from http://127.0.0.1:1/")


async def test_what_is_in_the_background_goes_on_beside_the_others(shop, tmp_path):
    waits = shell("wait for the other", f"until test -e {tmp_path}/other; do sleep 0.01; done", timeout=20)
    told = experiment([waits | {"background": True}, shell("other", f"touch {tmp_path}/other")])

    made = await journal(shop, told)

    assert [one["output"]["status"] for one in made["run"]] == [0, 0]
    assert made["run"][0]["end"] >= made["run"][1]["start"]


async def test_functions_get_the_configuration_and_the_secrets_that_they_ask_for(shop, tmp_path, monkeypatch):
    (tmp_path / "probes.py").write_text(
        "def told(x, configuration, secrets):\n    print('no news')\n    return [x, configuration['url'], secrets]\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    provider = {
        "type": "python",
        "module": "probes",
        "func": "told",
        "arguments": {"x": "${token}"},
        "secrets": ["shop"],
    }
    given = {"type": "python", "module": "builtins", "func": "dict"}
    tolerance = {"type": "probe", "name": "a value is given", "provider": given}
    probe = {"type": "probe", "name": "told", "tolerance": tolerance, "provider": provider}

    made = await journal(
        shop, experiment([], probes=[probe]), secrets={"shop": {"token": "t"}, "bank": {"k": "v"}}
    )

    (seen,) = made["steady_states"]["before"]["probes"]
    assert seen["output"] == ["t", shop.url, {"token": "t"}]
    assert seen["tolerance_met"] is True
    assert seen["activity"]["provider"]["arguments"] == {"x": "${token}"}


def test_all_that_is_wrong_with_an_experiment_is_told_at_once(tmp_path):
    (file := tmp_path / "x.json").write_text(json.dumps({
        "title": "t",
        "steady-state-hypothesis": {"probes": [{"type": "probe", "name": "p", "provider": {"type": "http"}}]},
        "method": [{"ref": "nobody"}, {"type": "act", "provider": {"type": "process", "path": "no-such-program"}}, 3],
        "rollbacks": [{"type": "action", "name": "r", "provider": {"type": "telnet"}}],
        "runtime": {"rollbacks": {"strategy": "sometimes"}},
    }))  # fmt: skip

    with pytest.raises(SpecError) as problem:
        read(file)

    assert [line.split(": ", 1)[1] for line in str(problem.value).splitlines()] == [
        "description: is required, and is text",
        "steady-state-hypothesis.probes[0].provider.url: is required, and is text",
        "steady-state-hypothesis.probes[0].tolerance: is required",
        "method[0].ref: there is no activity 'nobody'",
        "method[1].type: found 'act', allowed: probe, action",
        "method[1].name: is required, and is text",
        "method[1].provider.path: there is no program 'no-such-program'",
        "method[2]: must be an object",
        "rollbacks[0].provider.type: found 'telnet', allowed: http, process, python",
        "runtime.rollbacks.strategy: found 'sometimes', allowed: default, always, never, deviated",
    ]


@pytest.mark.parametrize("written", ["{", "[]", "3", "a: [", "!!python/object:os.x {}", "\x00"])
@pytest.mark.parametrize("name", ["x.json", "x.yaml"])
def test_what_is_no_experiment_is_told_without_a_traceback(tmp_path, name, written):
    (tmp_path / name).write_text(written)

    with pytest.raises(SpecError, match=name):
        read(tmp_path / name)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["http", "probe", "regex", "ref"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "name",
                    "provider",
                    "tolerance",
                    "probes",
                    "ref",
                    "pauses",
                    "pattern",
                    "path",
                    "strategy",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
keys = st.sampled_from(
    ["title", "description", "method", "rollbacks", "steady-state-hypothesis", "runtime", "configuration"]
)


@settings(deadline=None)
@given(st.dictionaries(keys, anything, max_size=4))
def test_whatever_stands_in_an_experiment_is_checked_without_an_exception(more):
    whole = {"title": "t", "description": "d", "method": []} | more

    if not list(check(whole)):
        read_ = Experiment(whole)
        assert read_.method is not None
        assert read_.ignored() is not None
        assert read_.strategy("rollbacks")


@pytest.mark.parametrize(
    "provider",
    [
        {"type": "http", "url": "http://${none}/"},
        {"type": "http", "url": "ftp://user:secret@127.0.0.1/x?token=secret"},
        {"type": "http", "url": "http://user:secret@127.0.0.1:1/x?token=secret"},
        {"type": "http", "url": "${url}", "headers": ["x"]},
        {"type": "http", "url": "${url}", "headers": {"x": "a\nb"}},
        {"type": "http", "url": "${url}", "max_retries": "many"},
        {"type": "http", "url": "${url}", "expected_status": 204},
        {"type": "process", "path": "sh", "arguments": 3},
        {"type": "process", "path": "sh", "timeout": "soon"},
        {"type": "python", "module": "no_such_module", "func": "f"},
        {"type": "python", "module": "os", "func": "_exit", "arguments": {"status": 3}},
    ],
)
async def test_what_cannot_be_done_has_failed_and_the_run_goes_on(shop, provider):
    odd = {"type": "action", "name": "odd", "provider": provider}

    made = await journal(shop, experiment([odd, shell("then", "exit 0")]))

    assert [one["status"] for one in made["run"]] == ["failed", "succeeded"]
    assert "secret" not in str(made["run"][0]["exception"])


async def test_a_tolerance_that_values_make_senseless_is_not_met(shop):
    odd = web(tolerance={"type": "regex", "pattern": "${pattern}", "target": "body"})
    told = Run(experiment([], probes=[odd]), Terms(values={"url": shop.url, "pattern": "("}))

    made = await told.journal()

    assert (made["status"], made["steady_states"]["before"]["steady_state_met"]) == ("failed", False)


@pytest.mark.parametrize("text", ["a: [", 'a: "\\UFFFFFFFF"', "- " * 100_000])
def test_what_the_parser_trips_over_is_refused(tmp_path, text):
    file = tmp_path / "experiment.yaml"
    file.write_text(text)

    with pytest.raises(SpecError, match=r"experiment\.yaml cannot be read: "):
        read(file)

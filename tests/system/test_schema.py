import os
from dataclasses import asdict
from pathlib import Path

import pytest
from pydantic import ValidationError

from mainstay.gateway.table import Limits
from mainstay.redundancy.health import HealthSpec
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.pool import PoolSpec
from mainstay.system.listener import Listener
from mainstay.system.schema import Gateway, Service, System
from mainstay.tolerance.breaker import BreakerSpec
from mainstay.tolerance.budget import BudgetSpec
from mainstay.tolerance.call import CallSpec
from mainstay.tolerance.retry import RetrySpec


def test_silence_means_the_same_in_a_file_as_in_a_program():
    service = Service(command="run", listen="http://0.0.0.0:80")

    assert service.health_spec() == HealthSpec()
    assert service.retry_spec() == RetrySpec()
    assert service.breaker_spec() == BreakerSpec()
    assert service.outlier_spec() == OutlierSpec()
    assert service.pool_spec() == PoolSpec()
    assert service.call_spec() == CallSpec()


def test_each_mechanism_can_be_switched_off():
    service = Service(
        command="run",
        listen="http://0.0.0.0:80",
        health="off",
        retry="off",
        breaker="off",
        outlier="off",
        restart="off",
        failover="off",
    )

    assert service.health_spec() is None
    assert service.retry_spec() is None
    assert service.breaker_spec() is None
    assert service.outlier_spec() is None
    assert service.restart is None
    assert service.failover is False
    assert service.call_spec().retry is None
    assert service.pool_spec().outlier is None


def test_each_comparison_of_instances_can_be_switched_off():
    service = Service.model_validate(
        {"command": "run", "outlier": {"errors": "off", "slow": "off", "zone": "off"}}
    )

    assert service.outlier_spec() == OutlierSpec(errors=None, slow=None, zone=None)


def test_what_is_told_reaches_the_specs():
    service = Service.model_validate(
        {
            "command": "run",
            "health": {"path": "/ok", "every": "2s", "timeout": "1s", "down_after": 3, "up_after": 2},
            "retry": {"attempts": 4, "budget": "10%"},
            "breaker": {"window": "5s", "minimum": 7, "rate": "25%", "rest": "2s"},
            "outlier": {
                "refused": 1,
                "reset": 2,
                "timeout": 3,
                "failed": 4,
                "keep": "75%",
                "errors": "20%",
                "window": "8s",
                "minimum": 30,
                "slow": 3,
                "zone": 4,
                "slow_by": "50ms",
            },
            "timeouts": {"attempt": "2s", "request": "5s"},
            "balance": "least",
            "slow_start": "30s",
        }
    )

    assert service.health_spec() == HealthSpec(every=2.0, timeout=1.0, down_after=3, up_after=2)
    assert service.retry_spec() == RetrySpec(attempts=4, budget=BudgetSpec(share=0.1))
    assert service.breaker_spec() == BreakerSpec(window=5.0, minimum=7, rate=0.25, rest=2.0)
    assert service.outlier_spec() == OutlierSpec(
        refused=1,
        reset=2,
        timeout=3,
        failed=4,
        keep=0.75,
        errors=0.2,
        window=8.0,
        minimum=30,
        slow=3,
        slow_by=0.05,
        zone=4,
    )
    assert service.pool_spec() == PoolSpec(balance="least", slow_start=30.0, outlier=service.outlier_spec())
    assert service.call_spec() == CallSpec(attempt=2.0, request=5.0, retry=service.retry_spec())


def test_a_rest_longer_than_the_longest_raises_the_longest():
    service = Service.model_validate({"command": "run", "breaker": {"rest": "1m"}})

    assert service.breaker_spec() == BreakerSpec(rest=60.0, cap=60.0)


def test_health_is_off_for_a_service_that_takes_no_requests_unless_told():
    assert Service(command="run").health is None
    assert Service(command="run", health={"path": "/"}).health_spec() == HealthSpec()


def test_an_untold_attempt_is_never_longer_than_the_request():
    untold = Service.model_validate({"command": "run", "timeouts": {"request": "3s"}})
    longer = Service.model_validate({"command": "run", "timeouts": {"request": "1m"}})

    assert untold.call_spec().attempt == 3.0
    assert longer.call_spec().attempt == 10.0


def test_the_remaining_defaults_are_as_documented():
    service = Service(command="run")

    assert (service.instances, service.cwd, service.env, service.env_file, service.user) == (
        2,
        Path(),
        {},
        [],
        None,
    )
    assert service.timeouts.model_dump() == {
        "connect": 1.0,
        "attempt": 10.0,
        "request": 30.0,
        "idle": 60.0,
        "tunnel": 3600.0,
    }
    assert service.restart.model_dump() == {"delay": 0.1, "cap": 30.0}
    assert service.logs.model_dump() == {"size": 10 * 2**20, "keep": 3}
    assert (service.balance, service.slow_start, service.failover, service.hold) == (
        "power_of_two",
        0.0,
        True,
        65536,
    )
    assert (service.ready_within, service.drain, service.stop_timeout, service.needs) == (
        30.0,
        10.0,
        10.0,
        [],
    )


def test_the_environment_is_its_files_in_order_and_then_its_own(tmp_path):
    (tmp_path / "one.env").write_text("A=1\nB=1\nC=1\n")
    (tmp_path / "two.env").write_text("B=2\nC=2\n")
    service = Service(command="run", env_file=["one.env", "two.env"], env={"C": "3"})

    assert service.environment(tmp_path) == {"A": "1", "B": "2", "C": "3"}


def test_values_of_python_are_taken_as_yaml_would_write_them():
    service = Service(command="run", env={"A": True, "B": 1, "C": 1.5}, env_file=Path("a.env"), cwd=Path("b"))

    assert service.env == {"A": "true", "B": "1", "C": "1.5"}
    assert (service.env_file, service.cwd) == ([Path("a.env")], Path("b"))
    assert Service(command="run", env_file=[Path("a"), "b"]).env_file == [Path("a"), Path("b")]
    assert Service(command="run", listen=Listener("::1", 80)).listen == Listener("::1", 80)


def test_it_runs_in_the_system_files_folder_unless_told(tmp_path):
    assert Service(command="run").working_folder(tmp_path) == tmp_path.resolve()
    assert Service(command="run", cwd="app").working_folder(tmp_path) == tmp_path.resolve() / "app"
    assert Service(command="run", cwd="/srv").working_folder(tmp_path) == Path("/srv")


def test_a_command_is_looked_for_in_the_services_own_path(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "prog"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")

    assert Service(command="prog").executable_problem(tmp_path) == (
        "command not found: prog (looked in PATH: /nowhere)"
    )
    assert Service(command="prog").executable_problem(tmp_path, path=str(program.parent)) is None
    assert Service(command="prog", env={"PATH": str(program.parent)}).executable_problem(tmp_path) is None


def test_values_of_the_instance_are_put_into_a_list():
    service = Service(command=["run", "--port=${PORT}"])

    assert service.argv() == ["run", "--port=${PORT}"]
    assert service.argv({"PORT": "20001"}) == ["run", "--port=20001"]


def test_there_are_as_many_workers_as_told_or_as_processors_may_be_used(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})

    assert Gateway().worker_count() == 3
    assert Gateway(workers=2).worker_count() == 2
    assert Gateway().limits.model_dump() == asdict(Limits())
    assert Gateway().drain == 10.0


def test_a_system_built_in_a_program_belongs_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    system = System(services={"web": Service(command="run")})

    assert (system.name, system.zones) == ("system", [])
    assert system.file == tmp_path.resolve() / "mainstay.yaml"
    assert system.folder == tmp_path.resolve()


def test_all_of_it_is_frozen():
    service = Service(command="run")

    with pytest.raises(ValidationError, match="frozen"):
        service.instances = 3


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"command": None}, "must be text, not nothing"),
        ({"command": "a\0b"}, "must not contain a null character"),
        ({"command": ["a", None]}, "must be a list of words, but has nothing in it"),
        ({"command": "run", "env": {"A": None}}, "has no value: write '' for an empty one"),
        ({"command": "run", "env": {"A": "a\0"}}, "must not contain a null character"),
        ({"command": "run", "retry": None}, "found nothing, allowed: off, or a mapping of its keys"),
        ({"command": "run", "drain": None}, "found nothing, allowed is a single value"),
        ({"command": "run", "balance": {}}, "found a mapping, allowed: power_of_two, round_robin, least"),
        ({"command": "run", "failover": "x" * 90}, f"found '{'x' * 57}…', allowed: on, off"),
        ({"command": {}}, "must be text, not a mapping"),
    ],
)
def test_what_only_a_program_could_say_is_refused_too(keys, message):
    with pytest.raises(ValidationError) as refused:
        Service.model_validate(keys)

    assert [error["msg"] for error in refused.value.errors()] == [message]


@pytest.mark.parametrize(("written", "version"), [("off", ""), ("v1", "v1"), ("v2", "v2")])
def test_instances_may_be_told_by_the_proxy_protocol(written, version):
    assert Service(command="true", proxy_protocol=written).preamble() == version
    assert Service(command="true").preamble() == ""


def test_an_unknown_version_of_the_proxy_protocol_is_told():
    with pytest.raises(ValidationError, match="found 'v3', allowed: off, v1, v2"):
        Service(command="true", proxy_protocol="v3")


def test_a_service_knows_where_it_reaches_what_it_needs():
    listeners = {"public": {"at": "https://[::]:8443"}, "db": {"at": "http://10.0.0.7:80"}}
    services = {
        "web": {"command": "run", "listen": "public"},
        "db": {"command": "run", "listen": "tcp://0.0.0.0:5432"},
        "other": {"command": "run", "listen": "db"},
        "job": {"command": "run"},
        "cron": {"command": "run", "needs": ["web", "db", "other", "job", "gone"]},
    }

    system = System.model_validate({"listeners": listeners, "services": services})

    assert system.services["web"].urls == {}
    assert system.services["cron"].urls == {
        "MAINSTAY_URL_WEB": "https://[::1]:8443",
        "MAINSTAY_URL_PUBLIC": "https://[::1]:8443",
        "MAINSTAY_URL_DB": "tcp://127.0.0.1:5432",
        "MAINSTAY_URL_OTHER": "http://10.0.0.7:80",
    }

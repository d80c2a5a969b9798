import os
import pwd

import pytest

from mainstay.system.check import check
from mainstay.system.mechanism import Breaker, Health, Outlier, Retry
from mainstay.system.schema import Service

WEB = Service(command="run")


def findings(tmp_path, services, zones=()):
    return check(services, services, list(zones), tmp_path)


def test_a_sound_system_has_no_findings(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "a.env").write_text("A=1")
    me = pwd.getpwuid(os.getuid()).pw_name
    services = {
        "web": Service(
            command="run", cwd="app", env_file="a.env", user=me, needs=["db"], listen="http://127.0.0.1:80"
        ),
        "api": Service(command="run", listen="http://127.0.0.2:80", health="off", retry="off", restart="off"),
        "db": Service(command="run"),
    }

    assert findings(tmp_path, services, ["a", "b"]) == []


@pytest.mark.parametrize(
    ("key", "section", "message"),
    [
        ("health", Health.model_construct(every=0), "every must be above 0, not 0"),
        ("retry", Retry.model_construct(attempts=0), "attempts must be above 0, not 0"),
        ("breaker", Breaker.model_construct(window=0), "window must be above 0, not 0"),
        ("outlier", Outlier.model_construct(refused=0), "refused must be above 0, not 0"),
    ],
)
def test_what_a_spec_refuses_is_told_at_its_mechanism(tmp_path, key, section, message):
    service = WEB.model_copy(update={key: section})

    assert findings(tmp_path, {"web": service}) == [(("services", "web", key), message)]


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")

    assert findings(tmp_path, {"web": Service(command="run", cwd="file")}) == [
        (("services", "web", "cwd"), f"is not a folder: {tmp_path.resolve()}/file")
    ]


def test_a_need_for_a_service_that_is_itself_wrong_is_no_problem(tmp_path):
    services = {"web": Service(command="run", needs=["db"])}

    assert check(services, ["web", "db"], [], tmp_path) == []


def test_the_address_of_who_is_not_needed_is_told(tmp_path):
    services = {
        "api": Service(command="run", listen="public"),
        "web": Service(
            command=["run", "${MAINSTAY_URL_API}", "${MAINSTAY_URL_APY}", "${MAINSTAY_URL_APY:-x}"],
            needs=["api"],
            env={"A": "${MAINSTAY_URL_PUBLIC}/v1"},
        ),
        "job": Service(command="run ${MAINSTAY_URL_API}", env={"A": "${MAINSTAY_URL_API}"}),
    }
    only = "which only who `needs` a service with a `listen` is told"

    assert findings(tmp_path, services) == [
        (
            ("services", "web", "command"),
            f"names MAINSTAY_URL_APY, {only}: MAINSTAY_URL_API, MAINSTAY_URL_PUBLIC",
        ),
        (("services", "job", "env", "A"), f"names MAINSTAY_URL_API, {only}: it needs none"),
        (("services", "job", "command"), f"names MAINSTAY_URL_API, {only}: it needs none"),
    ]
    services["web"].needs.append("wrong")
    assert {path[1] for path, _ in check(services, [*services, "wrong"], [], tmp_path)} == {"job"}


def test_what_only_leads_into_a_circle_is_not_in_it(tmp_path):
    services = {
        "a": Service(command="run", needs=["b"]),
        "b": Service(command="run", needs=["c"]),
        "c": Service(command="run", needs=["d", "b"]),
        "d": Service(command="run"),
    }

    assert findings(tmp_path, services) == [
        (("services", "b", "needs", 0), "needs go in a circle: b → c → b"),
    ]


def test_a_thousand_services_in_a_row_are_no_circle(tmp_path):
    services = {f"s{n}": Service(command="run", needs=[f"s{n + 1}"] if n < 999 else []) for n in range(1000)}

    assert findings(tmp_path, services) == []

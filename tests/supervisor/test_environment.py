import pytest

from mainstay.base.errors import EnvironmentProblem
from mainstay.supervisor.environment import Identity, environment
from mainstay.supervisor.launch import definition
from mainstay.supervisor.rundir import RunDir
from mainstay.system.schema import Service, System

WHO = Identity(service="web", instance="web-2", generation=7, zone="b", port=20123)
OURS = {
    "PORT": "20123",
    "MAINSTAY_INSTANCE": "web-2",
    "MAINSTAY_ZONE": "b",
    "MAINSTAY_SERVICE": "web",
    "MAINSTAY_GENERATION": "7",
}


@pytest.fixture
def make(tmp_path):
    def make(told=None, around=None, **service):
        made = environment(
            Service(command="true", **service), told or {}, WHO, RunDir(tmp_path), around=around or {}
        )
        assert made.pop("MAINSTAY_OWNER") == str(tmp_path)
        return made

    return make


def test_an_instance_is_told_who_it_is(make):
    assert make() == OURS


def test_of_our_own_environment_only_what_every_program_needs_is_passed_on(make):
    around = {
        "PATH": "/bin",
        "HOME": "/root",
        "LANG": "C",
        "LC_ALL": "C",
        "TZ": "UTC",
        "SECRET": "x",
        "LC": "y",
    }

    assert make(around=around) == {
        **OURS,
        "PATH": "/bin",
        "HOME": "/root",
        "LANG": "C",
        "LC_ALL": "C",
        "TZ": "UTC",
    }


def test_the_system_file_wins_over_our_own_environment_and_we_over_both(make):
    env = make(told={"PATH": "/opt", "PORT": "1"}, around={"PATH": "/bin"})

    assert (env["PATH"], env["PORT"]) == ("/opt", "20123")


def test_values_may_name_what_is_the_instances_own(make):
    env = make(told={"URL": "http://h:${PORT}/${MAINSTAY_INSTANCE}", "OTHER": "${HOME}"})

    assert env["URL"] == "http://h:20123/web-2"
    assert env["OTHER"] == "${HOME}"


def test_another_user_has_another_home(make):
    env = make(around={"HOME": "/home/somebody", "USER": "somebody"}, user="root")

    assert (env["HOME"], env["USER"], env["LOGNAME"]) == ("/root", "root", "root")


def test_a_user_that_does_not_exist_is_told(make):
    with pytest.raises(EnvironmentProblem, match="user 'nobody-of-that-name' does not exist"):
        make(user="nobody-of-that-name")


def needing(port):
    """Give a service that needs one at this port."""
    services = {
        "main-api": {"command": "true", "listen": f"http://0.0.0.0:{port}"},
        "web": {
            "command": "true",
            "needs": ["main-api"],
            "env": {"API": "${MAINSTAY_URL_MAIN_API}/v1", "PEER": "${MAINSTAY_URL_PEER}"},
        },
    }
    return System.model_validate({"services": services}).services["web"]


def test_an_instance_is_told_where_it_reaches_what_it_needs(tmp_path):
    env = environment(needing(8081), needing(8081).env, WHO, RunDir(tmp_path), {})

    assert env["MAINSTAY_URL_MAIN_API"] == "http://127.0.0.1:8081"
    assert env["API"] == "http://127.0.0.1:8081/v1"
    assert env["PEER"] == "${MAINSTAY_URL_PEER}"


def test_who_reaches_what_it_needs_elsewhere_is_started_otherwise():
    plain = Service.model_validate({"command": "true"})

    assert definition(needing(8081)) == definition(needing(8081)) != definition(needing(8082))
    assert definition(plain) == definition(plain.model_copy(update={"needs": ["x"]}))

import pytest

from mainstay.base.errors import EnvironmentProblem
from mainstay.supervisor.environment import Identity, environment
from mainstay.supervisor.rundir import RunDir
from mainstay.system.schema import Service

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

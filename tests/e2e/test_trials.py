"""What a page invites its reader to paste: it runs from top to bottom, and does what is said beside it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.conftest import PATIENCE
from ports import free_port

pytestmark = pytest.mark.e2e

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
_TRIAL = re.compile(r"^## Try it.*?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PORT = re.compile(r"\b[89]\d{3}\b")
TRIALS = {page.stem: found[1] for page in HOW_TO.glob("*.md") if (found := _TRIAL.search(page.read_text()))}


@pytest.fixture
def pasted(site):
    """Run what is pasted into a shell, with ports that are free here, and give what it printed."""

    def run(page):
        script = TRIALS[page]
        for port in set(_PORT.findall(script)):
            script = script.replace(port, str(free_port()))
        ran = subprocess.run(
            ["bash", "-e"],
            input=script,
            cwd=site.folder,
            env=site.env | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    return run


def test_every_trial_is_run_here():
    assert set(TRIALS) == {"route-to-what-others-run", "serve-https"}


def test_an_address_that_dies_is_passed_over_and_the_status_tells_why(pasted):
    said = pasted("route-to-what-others-run").splitlines()

    assert set(said[:4]) <= {"this is a", "this is b"}
    assert said[4:8] == ["this is b"] * 4
    assert re.search(
        r"^127\.0\.0\.1:\d+: last health check: connection refused$", "\n".join(said), re.MULTILINE
    )


def test_a_certificate_of_ones_own_is_served(pasted):
    assert pasted("serve-https") == "this came over TLS\n"

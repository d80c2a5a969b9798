"""The plugin for pytest: the fixture `drill`, and options that say how it drills.

pytest loads this wherever Mainstay is installed, so what a drill takes is imported only by who asks for one.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainstay.testing.drill import Drill

_LENGTHS = ("quick", "standard", "full")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("mainstay", "drills of a system (Mainstay)")
    group.addoption(
        "--mainstay-file", type=Path, metavar="FILE", help="the system file; mainstay.yaml by default"
    )
    group.addoption("--mainstay-rps", type=float, metavar="N", help="requests a second at each entry point")
    group.addoption("--mainstay-seed", type=int, default=1, metavar="N", help="replays one schedule of users")
    group.addoption("--mainstay-length", choices=_LENGTHS, default="quick", help="how long each fault lasts")


@pytest.fixture(scope="session")
def drill(pytestconfig: pytest.Config) -> "Iterator[Drill]":
    """Play drills on a private copy of the system, which runs for the whole session: `drill("kill", "web").survived`."""
    from mainstay.base.errors import MainstayError  # noqa: PLC0415 - who does not drill pays nothing for it
    from mainstay.testing.drill import Drill  # noqa: PLC0415

    try:
        one = Drill(
            pytestconfig.getoption("mainstay_file"),
            pytestconfig.rootpath,
            length=pytestconfig.getoption("mainstay_length"),
            rate=pytestconfig.getoption("mainstay_rps"),
            seed=pytestconfig.getoption("mainstay_seed"),
        )
        one.start()
    except MainstayError as problem:
        pytest.fail(f"no drills can be played: {problem}", pytrace=False)
    try:
        yield one
    finally:
        one.close()

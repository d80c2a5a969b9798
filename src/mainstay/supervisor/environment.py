"""The environment that an instance is started with."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from mainstay.supervisor.mark import GENERATION, INSTANCE, RUN_DIR
from mainstay.supervisor.rundir import RunDir
from mainstay.supervisor.spawn import account
from mainstay.system.command import expanded
from mainstay.system.schema import Service

# Without these programs do not run, or not as people expect: where things are, who they are for, in which
# language and time. All else an instance gets from the system file alone, so that it runs the same wherever
# and by whomever Mainstay is started.
_PASSED = frozenset(
    {
        *("PATH", "LD_LIBRARY_PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    }
)


class Identity(NamedTuple):
    """Who an instance is."""

    service: str
    instance: str
    generation: int
    zone: str
    port: int


def environment(
    service: Service,
    told: Mapping[str, str],
    who: Identity,
    rundir: RunDir,
    around: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Give the environment of one life of an instance.

    Args:
        service: Its service.
        told: What the system file sets, as from `Service.environment`.
        who: Its identity.
        rundir: The run directory; it marks the process as ours.
        around: Mainstay's own environment, by default that of this process.

    Raises:
        EnvironmentProblem: the user to run as does not exist.
    """
    around = os.environ if around is None else around
    values = {name: value for name, value in around.items() if name in _PASSED or name.startswith("LC_")}
    if service.user is not None:
        become = account(service.user)
        values |= {"HOME": become.home, "USER": become.name, "LOGNAME": become.name}
    ours = {
        "PORT": str(who.port),
        INSTANCE: who.instance,
        "MAINSTAY_ZONE": who.zone,
        "MAINSTAY_SERVICE": who.service,
        GENERATION: str(who.generation),
        RUN_DIR: str(rundir.path),
        **service.urls,
    }
    values |= {name: expanded(value, ours) for name, value in told.items()}
    return values | ours

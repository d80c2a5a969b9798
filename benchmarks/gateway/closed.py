"""Load that asks again as soon as it is answered: wrk, for what a proxy can do at most and what that costs it."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway.request import RAW, SECURE, Case

_DONE = """\
done = function(s, l, r)
  io.write(string.format("RESULT %d %d %d %d %d\\n", s.requests, s.duration, s.bytes, s.errors.status,
    s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout))
end
"""


@dataclass(frozen=True)
class Done:
    """What was answered."""

    requests: int
    seconds: float
    octets: int


def needed() -> None:
    """Make sure that wrk is there.

    Raises:
        SystemExit: it is not.
    """
    if shutil.which("wrk") is None:
        raise SystemExit("the load is put on by wrk: install it with  apt-get install wrk  (as root)")


def load(  # noqa: PLR0913 - what a load is
    folder: Path, case: Case, port: int, *, seconds: int, cores: str, connections: int = 32
) -> Done:
    """Put load on a proxy.

    Raises:
        SystemExit: something was answered wrongly, so that the figures would mean nothing.
    """
    script = folder / "wrk.lua"
    body = f'wrk.method = "POST"\nwrk.body = string.rep("x", {case.body})\n' if case.body else ""
    script.write_text(body + _DONE)
    told = [part for line in case.lines() for part in ("-H", line)]
    scheme = "https" if case.door == SECURE else "http"
    argv = ["taskset", "-c", cores, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
    ran = subprocess.run(
        [*argv, *told, f"{scheme}://127.0.0.1:{port}{case.path}"], capture_output=True, text=True, check=False
    )
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", ran.stdout)
    if found is None:
        raise SystemExit(f"wrk failed: {ran.stdout}{ran.stderr}")
    requests, micros, octets, bad, broken = map(int, found.groups())
    # Where a relay balances connections, an origin may close one that was there for long.
    if bad or not requests or (broken and not case.fresh and case.door != RAW):
        raise SystemExit(f"{case.title}: {bad} bad answers, {broken} broken connections of {requests}")
    return Done(requests, micros / 1e6, octets)

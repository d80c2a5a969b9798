"""What the load generator holds on one processor, against a server that does nothing on another.

python -m benchmarks load [--rates 2000,4000] [--seconds 10] [--out build/benchmarks]

Exits with 1 when the first of the rates was not held.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.quiet import Quiet

LATE = 0.005
"""Seconds that all but one in a hundred requests may be sent late."""
_SHORT = 0.02
"""The share of the rate by which a schedule of chance may differ from it."""


def main(argv: list[str]) -> int:
    """Measure, write down and print."""
    told = _options(argv)
    cores = sorted(os.sched_getaffinity(0))
    told.out.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    with _origin(cores[0]) as port:
        for rate in told.rates:
            quiet = Quiet()
            found = _measure(port, rate, told.seconds, cores[-1], told.out / "load.jsonl")
            results.append({**found, "rate": rate, "disturbed": quiet.disturbed()})
            print(line(results[-1], told.seconds), flush=True)
    (told.out / "load.json").write_text(json.dumps(results, indent=1))
    if len(cores) == 1:
        print("generator and server had one processor between them: this is no result")
    return 1 if failings(results[0], told.seconds) else 0


def line(found: dict[str, Any], seconds: float) -> str:
    """Say what was held, or why it was not."""
    lag, lane = found["lag"], found["lane"]
    wrong = failings(found, seconds)
    return (
        f"{found['rate']:>6} requests/s: {'held' if not wrong else 'NOT HELD: ' + '; '.join(wrong)}\n"
        f"       sent {found['sent'] / seconds:.0f}/s, failed {found['failed']}; send lag "
        f"p50 {_ms(lag['p50'])}, p99 {_ms(lag['p99'])}, max {_ms(lag['max'])}; "
        f"control lane p99 {_ms(lane['p99'])}, max {_ms(lane['max'])}; "
        f"{found['busy']:.0%} of its processor; others had {found['disturbed']:.0%} of the machine"
    )


def failings(found: dict[str, Any], seconds: float) -> list[str]:
    """Say what kept the rate from being held; nothing if it was."""
    wrong = []
    if found["lag"]["p99"] is None or found["lag"]["p99"] > LATE:
        wrong.append(f"requests were sent late, p99 {_ms(found['lag']['p99'])} where {_ms(LATE)} is allowed")
    if found["unsent"]:
        wrong.append(f"{found['unsent']} requests were not sent")
    if found["failed"] > found["unsent"]:
        wrong.append(f"{found['failed'] - found['unsent']} requests failed: {found['failures']}")
    if abs(found["sent"] / seconds / found["rate"] - 1) > _SHORT + 3 / (found["rate"] * seconds) ** 0.5:
        wrong.append(f"there were {found['sent']} requests")
    return wrong


def _ms(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds * 1000:.2f} ms"


def _measure(port: int, rate: int, seconds: float, core: int, out: Path) -> dict[str, Any]:
    argv = [
        *("taskset", "-c", str(core), sys.executable, "-m", "mainstay.drill.load"),
        *(
            "--url",
            f"http://127.0.0.1:{port}",
            "--rate",
            str(rate),
            "--seconds",
            str(seconds),
            "--out",
            str(out),
        ),
    ]
    begun = used = 0.0
    done: dict[str, Any] = {}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for words in process.stdout:
            news = json.loads(words)
            if news["event"] == "began":
                begun = time.monotonic()
                used = _cpu(process.pid)
            elif news["event"] == "second":
                done["busy"] = (_cpu(process.pid) - used) / (time.monotonic() - begun)
            elif news["event"] == "done":
                done |= news
    if process.returncode or "sent" not in done:
        raise SystemExit("the load generator did not run to its end")
    return {"busy": 0.0, **done}


def _cpu(pid: int) -> float:
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


@contextmanager
def _origin(core: int) -> Iterator[int]:
    argv = ["taskset", "-c", str(core), sys.executable, "-m", "benchmarks.load.origin"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rates", default="2000,4000", help="requests per second, with commas")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each of them")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    told = parser.parse_args(argv)
    try:
        told.rates = [int(rate) for rate in told.rates.split(",")]
    except ValueError:
        parser.error(f"rates must be whole numbers with commas, not {told.rates}")
    return told

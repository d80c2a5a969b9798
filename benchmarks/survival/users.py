"""The users: the load of `mainstay.drill`, in processes of its own, all of which begin at the same moment.

One sends the GETs and the POSTs without a key, another the POSTs that carry an `Idempotency-Key`; of all requests every
fifth is a POST, and every tenth comes on a connection of its own. Half of the POSTs carry a key.
"""

import subprocess
from pathlib import Path
from typing import NamedTuple

from mainstay.base.program import module
from mainstay.drill.load.record import Head, Record, read

POSTS = 0.2
KEYED = 0.1
"""Both as a share of all requests."""
_PATIENCE = 20.0


class Load(NamedTuple):
    """One load that goes on."""

    process: subprocess.Popen[bytes]
    out: Path


class Users:
    """All loads of a run."""

    def __init__(self, folder: Path, port: int, *, seed: int, patience: float) -> None:
        self._folder, self._port, self._seed, self._patience = folder, port, seed, patience
        self._loads: list[Load] = []

    def come(self, rate: float, seconds: float, at: float) -> None:
        """Have users come from then on; both of monotonic time."""
        self._start(rate * (1 - KEYED), seconds, at, posts=(POSTS - KEYED) / (1 - KEYED))
        self._start(rate * KEYED, seconds, at, posts=1.0, keyed=True)

    def gone(self) -> list[tuple[Head, list[Record]]]:
        """Wait until all have their answers, and give what they saw."""
        seen = []
        for load in self._loads:
            _, said = load.process.communicate(timeout=60 + _PATIENCE)
            if load.process.returncode:
                raise SystemExit(f"the load failed: {said.decode()}")
            with load.out.open() as lines:
                seen.append(read(lines))
        return seen

    def close(self) -> None:
        """End what still goes on."""
        for load in self._loads:
            if load.process.poll() is None:
                load.process.kill()
            load.process.wait()

    def _start(self, rate: float, seconds: float, at: float, *, posts: float, keyed: bool = False) -> None:
        number = len(self._loads)
        out = self._folder / f"users-{number}.jsonl"
        told = {
            "url": f"http://127.0.0.1:{self._port}",
            "rate": rate,
            "seconds": seconds,
            "at": at,
            "seed": self._seed + 1000 * number,
            "posts": f"{posts * 100:.6f}%",
            "deadline": f"{self._patience}s",
            "run": f"u{number}",
            "out": out,
        }
        words = [word for name, value in told.items() for word in (f"--{name}", str(value))]
        process = subprocess.Popen(
            module("mainstay.drill.load", *words, *(["--keyed"] if keyed else [])),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._loads.append(Load(process, out))

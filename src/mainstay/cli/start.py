"""How a system is started: in what manner, who waits for it, and what there is to say when it is up."""

import contextlib
import json
import os
from typing import Any, NamedTuple

from mainstay.cli import show

READY = "MAINSTAY_READY_FD"
"""The variable that tells on which descriptor somebody waits."""


class Manner(NamedTuple):
    """How it is to be run."""

    keep_going: bool
    watch: bool
    as_json: bool
    again: str = ""
    """Options by which other commands mean the same system, with a space before each."""

    def options(self) -> list[str]:
        """Write it as a command line, but for how it is printed."""
        return [*(["--keep-going"] if self.keep_going else []), *(["--watch"] if self.watch else [])]


class Ready:
    """Tells the process that waits for a detached start how it went."""

    def __init__(self) -> None:
        told = os.environ.pop(READY, None)
        self._fd = int(told) if told is not None else None
        if self._fd is not None:
            os.set_inheritable(self._fd, False)

    @property
    def awaited(self) -> bool:
        """Whether a process waits."""
        return self._fd is not None

    def tell(self, news: dict[str, Any]) -> bool:
        """Tell it; False when nobody waits."""
        if self._fd is None:
            return False
        with contextlib.suppress(OSError):
            os.write(self._fd, json.dumps(news).encode())
        os.close(self._fd)
        self._fd = None
        return True


def notes(status: dict[str, Any], again: str) -> None:
    """Say what is not as the system file has it, although the system is up."""
    for service in status["services"]:
        name = service["service"]
        rows = [row for row in status["instances"] if row["service"] == name]
        if any(row["outdated"] for row in rows):
            show.news(
                f"{name} still runs as the system file was before; `mainstay restart {name}{again}` applies the change"
            )
        # Not `service["up"]`, for suspects are among them: so is, at first, an address that does not answer.
        up, count = sum(row["state"] == "up" for row in rows), service["instances"]
        if up < count:
            failed = {
                row["last_probe"]["said"] for row in rows if not (row["last_probe"] or {"ok": True})["ok"]
            }
            because = f" ({', '.join(sorted(failed))})" if failed else ""
            show.news(f"{name}: {up} of {count} up{because}; `mainstay status{again}` tells why")

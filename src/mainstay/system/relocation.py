"""Where texts name addresses of a system's own listeners, and those of its copy in their place.

========================== ================================================================================
`127.0.0.1:8080`           a listener, by its host; where it is there or on all addresses, also `localhost`,
                           `[::1]`, `0.0.0.0` and `[::]`
`http://localhost/`        the same at the port of the scheme
`localhost:18080`          another word than `localhost:1808`, which stays, as `my-localhost:1808` does
========================== ================================================================================
"""

import re
from collections.abc import Iterable

from mainstay.system.listener import Listener

_HERE = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::")  # noqa: S104 - nothing is bound
"""By which programs on this machine reach who listens on it."""
_USUAL = {"http": 80, "ws": 80, "https": 443, "wss": 443}
"""Ports that need not be told with a scheme."""
_ADDRESS = re.compile(
    # Not the end of a longer name or number.
    r"(?<![\w.-])(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?"
    r"(?:(?P<name>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)|\[(?P<ip>[0-9A-Fa-f:.]+)\])"
    # Not the beginning of one either, nor what comes before the @ of credentials.
    r"(?::(?P<port>[0-9]{1,5})(?![\w@]|\.\w)|(?![\w.:@-]))"
)


class Relocation:
    """Rewrites addresses in texts."""

    def __init__(self, moves: Iterable[tuple[Listener, Listener]]) -> None:
        """Know the moves, each from where to where."""
        told = list(moves)
        self._moves: dict[tuple[str, int], Listener] = {
            (was.host.lower(), was.port): now for was, now in told
        }
        # Who listens at a name of its own is meant by it, also where another listens on all addresses.
        for was, now in told:
            for host in _HERE if was.host.lower() in _HERE else ():
                self._moves.setdefault((host, was.port), now)

    def of(self, text: str) -> str:
        """Give a text with the new addresses in place of the old ones; what surrounds them stays."""
        return _ADDRESS.sub(self._moved, text)

    def _moved(self, match: re.Match[str]) -> str:
        scheme, host, port = match["scheme"] or "", match["name"] or match["ip"], match["port"]
        at = int(port) if port else _USUAL.get(scheme.lower(), 0)
        now = self._moves.get((host.lower(), at))
        if now is None:
            return match[0]
        # A certificate may be for that name.
        same = now.scheme == "https" and host.lower() == "localhost"
        return f"{scheme}{'://' if scheme else ''}{host if same else now.host}:{now.port}"

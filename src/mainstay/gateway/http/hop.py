"""The name by which we pass requests on, and know them again when they come back to us."""

import hashlib
import os
import socket
from pathlib import Path
from weakref import WeakKeyDictionary

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_names: WeakKeyDictionary[socket.socket, bytes] = WeakKeyDictionary()


def name_of(listener: socket.socket | None) -> bytes:
    """Give the pseudonym for `Via` (RFC 9110 §7.6.3) of all who accept from one listening socket.

    All workers share a service's socket, and hand it on to their successors, so they share the name as
    well; any other listener, of this Mainstay or of another one before or behind it, has another: passing
    through several is no loop. It tells nothing about the machine.

    Args:
        listener: The socket; None gives a name of this process alone.
    """
    if listener is None:
        return _pseudonym(f"process {os.getpid()}")
    name = _names.get(listener)
    if name is None:
        name = _names[listener] = _pseudonym(f"socket {os.fstat(listener.fileno()).st_ino}")
    return name


def _pseudonym(what: str) -> bytes:
    boot = _BOOT.read_text() if _BOOT.exists() else socket.gethostname()
    return b"mainstay-" + hashlib.sha256(f"{boot} {what}".encode()).hexdigest()[:12].encode()

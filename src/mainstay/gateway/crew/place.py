"""Where a socket listens, as text: `127.0.0.1:8080`, `[::1]:8080`."""

import socket

BACKLOG = 4096
"""Connections that may wait to be accepted; the kernel's own limit (net.core.somaxconn) still holds."""

Address = tuple[str, int]
"""Host and port."""


def place_of(sock: socket.socket) -> str:
    """Give the place where a socket is bound."""
    return place(sock.getsockname()[:2])


def place(address: Address) -> str:
    """Write an address as people and URLs do (RFC 3986 §3.2.2)."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

"""One client that asks for an answer of the gateway's own, again and again, until its input ends.

Prints `ready`, and at the end all waits of over a millisecond as JSON: pairs of when one began, on the machine's
monotonic clock, and how long it took, both in seconds.
"""

import gc
import json
import select
import socket
import sys
from time import monotonic

_ASK = b"GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n"
_WORTH = 0.001
_TURN = 16


def main() -> None:
    """Ask until told to stop."""
    gc.disable()
    waits = []
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print("ready", flush=True)
        count = 0
        while count % _TURN or not select.select([sys.stdin], [], [], 0)[0]:
            count += 1
            begun = monotonic()
            made.sendall(_ASK)
            if not made.recv(65536):
                raise SystemExit("the gateway closed the connection")
            took = monotonic() - begun
            if took > _WORTH:
                waits.append((begun, took))
    json.dump(waits, sys.stdout)


if __name__ == "__main__":
    main()

"""Where Toxiproxy's API is served: what may be told, and what is said of what may not."""

import socket

import pytest
import typer

from mainstay.base.errors import EnvironmentProblem
from mainstay.cli.toxiproxy import _bound


@pytest.mark.parametrize(("listen", "host"), [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")])
def test_it_listens_where_it_was_told(listen, host):
    with _bound(listen) as sock:
        assert sock.getsockname()[0] == host


@pytest.mark.parametrize(
    "listen", ["", "8474", "localhost", "::1:8474", "127.0.0.1:65536", "127.0.0.1:x", "a b:1"]
)
def test_what_is_no_address_is_told(listen):
    with pytest.raises(typer.BadParameter, match="--listen must be HOST:PORT"):
        _bound(listen)


def test_an_address_that_is_taken_is_told_once():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(EnvironmentProblem) as told:
            _bound(f"127.0.0.1:{port}")

    assert str(told.value) == f"cannot listen on 127.0.0.1:{port}: Address already in use"

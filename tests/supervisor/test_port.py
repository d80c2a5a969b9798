import errno
import os
import socket

import pytest

from mainstay.base.dice import Dice
from mainstay.base.errors import EnvironmentProblem
from mainstay.supervisor import port as room
from mainstay.supervisor.port import Ports, bindable, port_range
from ports import free_range


@pytest.fixture
def few():
    """A range of three ports that are free now."""
    return free_range(3)


@pytest.fixture
def ports(few):
    return Ports(Dice(1), few)


def test_a_port_is_given_to_one_only(few):
    mine, other = Ports(Dice(1), few), Ports(Dice(1), few)

    held = [mine.reserve(), other.reserve(), mine.reserve()]

    assert sorted(port.number for port in held) == list(few)
    for port in held:
        port.release()


def test_when_none_is_left_it_is_told(ports, few):
    held = [ports.reserve() for _ in few]

    with pytest.raises(EnvironmentProblem, match=f"no port is free from {few[0]} to {few[-1]}"):
        ports.reserve()

    for port in held:
        port.release()


def test_a_released_port_can_be_had_again(ports, few):
    held = [ports.reserve() for _ in few]

    held[1].release()
    held[1].release()
    again = ports.reserve()

    assert again.number == held[1].number
    for port in (*held, again):
        port.release()


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),
        (socket.AF_INET, "127.0.0.7"),
        (socket.AF_INET6, "::1"),
    ],
)
@pytest.mark.parametrize("reuse", [0, 1])
def test_a_port_that_somebody_listens_on_is_not_given_out(ports, few, family, address, reuse):
    with socket.socket(family) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        other.bind((address, few[1]))
        other.listen()

        held = [ports.reserve(), ports.reserve()]

    assert few[1] not in {port.number for port in held}
    for port in held:
        port.release()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("reuse", [0, 1])
def test_any_program_can_listen_on_a_reserved_port(ports, address, reuse):
    port = ports.reserve()

    with socket.socket() as program:
        program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        program.bind((address, port.number))
        program.listen()

        assert not port.free

    assert port.free
    port.release()


def test_a_preferred_port_is_given_if_it_is_free(ports, few):
    port = ports.reserve(few[2])
    other = ports.reserve(few[2])

    assert port.number == few[2]
    assert other.number != few[2]
    port.release()
    other.release()


def test_a_port_that_is_in_use_can_be_retaken(ports, few):
    with socket.create_server(("127.0.0.1", few[0])):
        port = ports.retake(few[0])
        second = ports.retake(few[0])

        assert (port.number, second.number) == (few[0], few[0])
        assert room._claim(few[0]) is None

    port.release()
    second.release()


def test_ports_lie_where_the_kernel_gives_out_none():
    numbers = port_range()

    low = int(room._EPHEMERAL.read_text().split()[0])
    assert numbers[-1] < low or numbers[0] > low


@pytest.mark.parametrize(
    ("written", "first", "last"),
    [
        ("32768 60999", 20_000, 32_767),
        ("16000 60999", 61_000, 65_535),
        ("9000 65535", 1024, 8999),
        ("1024 65535", 20_000, 32_767),
        ("nonsense", 20_000, 32_767),
    ],
)
def test_the_range_keeps_clear_of_the_kernels_own(monkeypatch, tmp_path, written, first, last):
    (tmp_path / "range").write_text(written)
    monkeypatch.setattr(room, "_EPHEMERAL", tmp_path / "range")

    numbers = port_range()

    assert (numbers[0], numbers[-1]) == (first, last)


def test_a_machine_without_ipv6_has_free_ports(few, monkeypatch):
    class Socket(socket.socket):
        def __init__(self, family=socket.AF_INET, *args, **more):
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
            super().__init__(family, *args, **more)

    monkeypatch.setattr(socket, "socket", Socket)

    assert bindable(few[0])


def test_trouble_of_our_own_is_not_blamed_on_the_ports(ports, few, monkeypatch):
    port = ports.reserve()

    def refuse(*args):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(room.socket.socket, "bind", refuse)
    monkeypatch.setattr(room, "_claim", lambda number: room.socket.socket())

    assert not port.free
    with pytest.raises(EnvironmentProblem, match="cannot look for a free port: Too many open files"):
        ports.reserve()

    monkeypatch.undo()
    port.release()

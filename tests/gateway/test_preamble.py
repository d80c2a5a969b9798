from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.gateway.preamble import MOST, VERSIONS, Ends, Preamble, PreambleError, read, write
from mainstay.gateway.proxies import address_of

FOUR = Ends("192.0.2.7", 56324, "198.51.100.1", 443)
SIX = Ends("2001:db8::7", 56324, "2001:db8::1", 443)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command, family, body, length=None):
    return (
        SIGNATURE
        + bytes((command, family))
        + (len(body) if length is None else length).to_bytes(2, "big")
        + body
    )


BODY_4 = bytes((192, 0, 2, 7, 198, 51, 100, 1)) + (56324).to_bytes(2, "big") + (443).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", FOUR),
        (b"PROXY TCP6 2001:db8::7 2001:DB8:0:0::1 56324 443\r\n", SIX),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 56324 443\r\n", FOUR),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 0 65535\r\n", FOUR._replace(source_port=0, target_port=65535)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
    ],
)
def test_the_first_version_is_a_line(line, ends):
    assert read(line) == Preamble(len(line), ends)
    assert read(line + b"\r\nGET") == Preamble(len(line), ends)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY UNKNOWN \x80\r\n",
        b"PROXY \r\n",
        b"PROXY UNKNOWN " + b"x" * 100,
        b"PROXY TCP4 \xd9\xa1.0.0.1 198.51.100.1 1 2\r\n",
    ],
)
def test_a_line_that_is_not_by_the_letter_is_none(line):
    with pytest.raises(PreambleError):
        read(line)


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (v2(0x21, 0x11, BODY_4), FOUR),
        (v2(0x21, 0x11, BODY_4 + b"\x03\x00\x04\1\2\3\4" + b"\x04\x00\x00"), FOUR),
        (
            v2(0x21, 0x21, ip_address("2001:db8::7").packed + ip_address("2001:db8::1").packed + BODY_4[8:]),
            SIX,
        ),
        (v2(0x20, 0x00, b""), None),
        (v2(0x20, 0x11, BODY_4), None),
        (v2(0x20, 0xFF, b"whatever"), None),
        (v2(0x21, 0x00, b""), None),
        (v2(0x21, 0x00, b"whatever"), None),
        (v2(0x21, 0x31, b"/" * 216), None),
    ],
)
def test_the_second_version_is_bytes(data, ends):
    assert read(data) == Preamble(len(data), ends)
    assert read(data + b"GET") == Preamble(len(data), ends)


@pytest.mark.parametrize(
    "data",
    [
        v2(0x11, 0x11, BODY_4),
        v2(0x31, 0x11, BODY_4),
        v2(0x22, 0x11, BODY_4),
        v2(0x21, 0x12, BODY_4),
        v2(0x21, 0x13, BODY_4),
        v2(0x21, 0x41, BODY_4),
        v2(0x21, 0x11, BODY_4[:-1]),
        v2(0x21, 0x21, BODY_4),
        v2(0x21, 0x31, BODY_4),
        v2(0x21, 0x11, b"", MOST),
        v2(0x20, 0x00, b"", 65535),
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\r\n\r\n\0\r\nQUITX",
        b"\r\n\r\nGET / HTTP/1.1",
    ],
)
def test_bytes_that_are_not_by_the_letter_are_none(data):
    with pytest.raises(PreambleError):
        read(data)


@pytest.mark.parametrize("data", [write(version, ends) for version in VERSIONS for ends in (FOUR, SIX, None)])
def test_whatever_part_of_it_has_come_is_waited_for(data):
    assert [read(data[:size]) for size in range(len(data))] == [None] * len(data)
    assert read(data).size == len(data)


@pytest.mark.parametrize("data", [b"PROXY " + b"T" * 101, SIGNATURE + b"\x21\x11\x10\x00"])
def test_what_is_too_long_is_not_waited_for(data):
    with pytest.raises(PreambleError):
        read(data)


def test_both_ends_are_told_in_one_family():
    mixed = Ends("192.0.2.7", 1, "2001:db8::1", 2)

    assert write("v1", mixed) == b"PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 1 2\r\n"
    assert read(write("v2", mixed)).ends == mixed


addresses = st.ip_addresses().map(str).map(address_of)
ports = st.integers(0, 65535)
ends = st.none() | st.builds(Ends, addresses, ports, addresses, ports)


@given(st.sampled_from(VERSIONS), ends, st.binary(max_size=40))
def test_what_is_written_is_read_again_and_nothing_after_it(version, told, rest):
    data = write(version, told)

    assert read(data + rest) == Preamble(len(data), told)
    assert len(data) <= 107


@given(st.sampled_from(VERSIONS), ends, st.data())
def test_a_byte_that_was_changed_never_makes_it_longer_than_allowed(version, told, data):
    raw = bytearray(write(version, told))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))

    try:
        found = read(bytes(raw))
    except PreambleError:
        return

    assert found is None or found.size <= len(raw) <= MOST


@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(b"PROXY ".__add__),
        st.binary(max_size=300).map(SIGNATURE.__add__),
    )
)
def test_whatever_comes_is_one_or_none_or_waited_for_no_longer_than_it_may_be(data):
    try:
        found = read(data)
    except PreambleError:
        return

    if found is None:
        assert len(data) < MOST
    else:
        assert 15 <= found.size <= len(data)
        assert found.ends is None or all(address_of(one) == one for one in found.ends[::2])

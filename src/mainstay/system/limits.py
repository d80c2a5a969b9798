"""What may be sent through the gateway, and how long it may take, as the system file tells it."""

from typing import Annotated

from mainstay.system.mechanism import Section
from mainstay.system.value import Duration, Size, SizeOrZero, ValueOrOff, Whole


class Limits(Section):
    """What clients may send and take up, so that no few of them leave nothing for the others."""

    head: Size = 32 * 2**10
    """The request line and all headers together. Twice what Node allows, four times nginx's usual buffer:
    large cookies pass, and memory stays bounded. 414 or 431 beyond."""

    headers: Annotated[int, Whole(1, 10_000)] = 100
    """How many headers a request may have; as many as Apache allows. 431 beyond."""

    head_time: Duration = 10.0
    """How long a head may take, from the connection's beginning or its own; then 408. A head is one or two packets:
    a phone in a tunnel needs two seconds, and who needs more is holding connections open."""

    idle: Duration = 75.0
    """How long a connection is kept while nothing is asked on it. As nginx does; longer than the 60 seconds of
    common load balancers in front, so that it is they who close first, and never meet a connection just closed."""

    rate: Annotated[Size | None, ValueOrOff()] = 240
    """Bytes a second that a body must make, up or down, on average over the service's `timeouts.idle`; a request
    that is slower gets 408, and an answer is cut. What Kestrel asks for: a tenth of the slowest phone, and a
    hundred times what those send who hold connections open byte by byte."""

    body: Annotated[Size | None, ValueOrOff()] = None
    """How large the body of a request may be; 413 beyond, before anything of it is sent on where its length is told.
    Off, as the gateway keeps no more than 64 KiB of a body, and services know what they take."""

    chunk_extensions: SizeOrZero = 4 * 2**10
    """All extensions of the chunks of one body, of a request or an answer. They are dropped, and hardly anybody
    sends some; a body that has more of them than this is an attack. 400 beyond."""

    trailers: SizeOrZero = 8 * 2**10
    """The trailers after a body in chunks, of a request or an answer. They are dropped as well. 400 beyond."""

    interim: Annotated[int, Whole(0, 10_000)] = 100
    """Interim answers (1xx) before an answer: one for each tenth of a second of an attempt. Beyond, the instance
    has failed."""

    requests: Annotated[int | None, Whole(1, 10**9), ValueOrOff()] = None
    """How many requests a connection may bring; the answer to the last says so. Off: a connection that works is
    worth keeping. Somebody who balances connections in front may want new ones now and then."""

    connections: Annotated[int | None, Whole(1, 10**6), ValueOrOff()] = None
    """How many connections each gateway worker keeps from one address (of IPv6, one network of 64 bits) at the
    same time; 429 beyond, or an end without a word over TCP. Trusted proxies may have any number. Off: behind one
    address may be a whole company."""

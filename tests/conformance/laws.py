"""What must hold of every conversation through the gateway, whatever was said.

Where we accept, nobody may see a different message. Refusing is always allowed, except where a test says
that something is plainly valid.
"""

import re
from typing import NamedTuple

from conformance import letter
from conformance.letter import CLEAN, CLOSED, INCOMPLETE, REFUSED, Seen, members
from conformance.wire import take_answer

OURS = {
    *(b"via", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"host", b"transfer-encoding"),
    *(b"mainstay-attempt", b"mainstay-deadline-ms"),
}
"""Fields that the instance gets from us: added, or written anew."""
_OFFER = (b"connection", b"upgrade")
_TIME = re.compile(rb"Mainstay-Deadline-Ms: [0-9]+\r\n")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_ABSOLUTE = re.compile(rb"http://([^/?#]*)([^#]*)", re.IGNORECASE)


class Law(AssertionError):
    """A law was broken."""

    def __str__(self):
        """Give the facts, each with what can be read of it."""
        return "\n".join(
            shown if len(shown := str(fact)) < 3000 else f"{shown[:3000]}..." for fact in self.args
        )


def must(holds, *facts):
    if not holds:
        raise Law(*facts)


# --- requests ---


class Talk(NamedTuple):
    """What came of a client's bytes."""

    messages: list
    """What reached the instance whole."""
    wires: list
    """All that reached it, by connection."""
    numbers: list
    """Which of them were answered, in the order in which the client got the answers."""
    reason: str
    """Why the last answer is our own; empty when it is not."""
    state: str
    """What became of the client's connection: "" while it is open."""

    @property
    def seen(self):
        return [seen(message) for message in self.messages]


def seen(message):
    return Seen(message.method, message.target, message.all("host")[0], message.body)


def numbered(message, number):
    """Answer a request so that the answer can be told from all others."""
    body = b"" if message.method == b"HEAD" else b"%d" % number
    return b"HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: %d\r\n\r\n%b" % (
        number,
        len(b"%d" % number),
        body,
    )


def talk(stage, pieces, *, apart=True):
    """Let a client send pieces: each when all that came of the one before is done, or one right after another."""
    stage.answer = numbered
    client = stage.client()
    try:
        for piece in pieces:
            client.send(piece)
            if apart:
                stage.settle(client)
        stage.settle(client)
        unread, raw, state, messages, wires = (
            client.unread,
            bytes(client.written),
            client.state,
            stage.messages,
            stage.wires,
        )
    finally:
        left = stage.rest(client)
    must(not left, "something went wrong, or is left behind", left)
    must(state or not unread, "it reads no further", unread)
    return Talk(messages, wires, *_answers(raw, [message.method for message in messages]), state)


def _answers(raw, methods):
    numbers, at, reason = [], 0, ""
    while at < len(raw) and raw[at:] != CONTINUE:
        must(not reason, "nothing follows our own answer", raw)
        method = methods[len(numbers)] if len(numbers) < len(methods) else b""
        taken = take_answer(raw, at, bodiless=method == b"HEAD")
        if taken is None:  # our own answer to a HEAD has no body either
            taken = take_answer(raw, at, bodiless=True)
        must(taken is not None, "an answer is incomplete", raw)
        message, at = taken
        if message.all("x-number"):
            numbers.append(int(message.all("x-number")[0]))
        else:
            reason = message.all("mainstay-reason")[0].decode()
            must(message.all("connection") == [b"close"], raw)
    return numbers, reason


def check_talk(data, said):
    """Check one conversation against itself, and against the letter."""
    must(said.numbers == list(range(len(said.messages))), "answers are in order, and one for each", said)
    must(not said.reason or said.state, "who is refused is let go", said)
    read = letter.requests(data)
    check_agreement(data, said, read)
    for ours, theirs in zip(said.messages, read.seen, strict=False):
        passed = [field for field in _fields(ours) if field[0] not in (*OURS, *_OFFER)]
        check_offer(ours, theirs)
        sent = [*theirs.fields, *_numbers(theirs)]
        must(all(field in sent for field in passed), "it was given what nobody sent", passed, theirs.fields)
        _check_hop(passed, theirs.fields)
    if said.state == "":
        must(read.end in (CLEAN, INCOMPLETE), "it takes what is no request", read)
    elif not said.reason:
        must(read.end == CLOSED or said.messages == [], "it leaves without a word", said, read)
    for wire in said.wires:
        whole = letter.requests(wire)
        must(whole.end in (CLEAN, INCOMPLETE), "it sends what is no request", wire)


def _check_hop(passed, sent):
    """Check that what Connection lists has gone no further (RFC 9110 §7.6.1), but for what we write ourselves."""
    listed = {*members(sent, b"connection"), b"connection"} - {*OURS, b"content-length", b"date"}
    must(
        not any(name in listed for name, _ in passed), "what is for one connection went further", passed, sent
    )


def check_offer(ours, theirs):
    """Check that nothing but WebSocket is offered to an instance, and only what the client offered (RFC 9110 §7.8)."""
    offers = [ours.all(name.decode()) for name in _OFFER]
    if any(offers):
        must(offers == [[b"upgrade"], [b"websocket"]], "it is offered something else", offers)
        must(b"upgrade" in members(theirs.fields, b"connection"), "nobody wants to go over", theirs)
        must(b"websocket" in members(theirs.fields, b"upgrade"), "nobody offered that", theirs)
        must((ours.method, ours.body) == (b"GET", b""), "something comes behind an offer", ours)


def _fields(message):
    return [(name.encode(), value) for name, value in message.fields]


def _numbers(theirs):
    """Give what becomes of fields that are numbers: no leading zeros, and one hop less."""
    return [
        (name, b"%d" % (int(value) - (name == b"max-forwards")))
        for name, value in theirs.fields
        if name in (b"content-length", b"max-forwards") and re.fullmatch(rb"[0-9]{1,18}", value)
    ]


def check_agreement(data, said, read):
    """Check that somebody who read the client's own bytes saw the messages that we passed on."""
    for number, (ours, theirs) in enumerate(zip(said.seen, read.seen, strict=False)):
        must(_same(ours, theirs), "it is another message", number, ours, theirs)
    if len(read.seen) < len(said.messages):
        must(read.end in (REFUSED, CLOSED), "we see more messages", read, said)
    if len(read.seen) > len(said.messages):
        must(said.state != "", "we see fewer messages, and wait for more", read, said)


def check_passed(said, reader):
    """Check that somebody sees in what reached the instance the very messages that are in it."""
    read = [reader(wire) for wire in said.wires]
    found = sorted(one[:4] for reading in read for one in reading.seen)
    # Who is stricter than we are sees less, up to what it refuses.
    if any(reading.end == REFUSED for reading in read):
        must(
            all(one in [ours[:4] for ours in said.seen] for one in found),
            "it is another message",
            found,
            said,
        )
        return
    for wire, reading in zip(said.wires, read, strict=True):
        # Some read no further behind an offer, since they would have to take it up or not; nothing comes there.
        offered = b"\r\nUpgrade: websocket\r\n" in wire
        must(reading.end in (CLEAN, INCOMPLETE) or (reading.end == CLOSED and offered), reading, said)
    must(found == sorted(one[:4] for one in said.seen), "these are other messages", found, said)


def _same(ours, theirs):
    if (ours.method, ours.body) != (theirs.method, theirs.body):
        return False
    absolute = _ABSOLUTE.fullmatch(theirs.target)
    if absolute is None:
        return (ours.target, ours.host) == (theirs.target, theirs.host)
    path = absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]
    if theirs.method == b"OPTIONS" and not absolute[2]:
        path = b"*"
    return (ours.target, ours.host) == (path, absolute[1])


def same_talk(data, one, other):
    """Check that two ways of cutting the same bytes came to the same."""
    incomplete = letter.requests(data).end == INCOMPLETE
    heads, bodies = (
        [[_TIME.sub(b"", message.head) for message in talk.messages] for talk in (one, other)],
        (one.seen, other.seen),
    )
    must(heads[0] == heads[1], "heads depend on cuts", one, other)
    must(bodies[0] == bodies[1], "bodies depend on cuts", one, other)
    must(one.numbers == other.numbers, "answers depend on cuts", one, other)
    # What is wrong in two ways may be told as either, and what is not whole may be refused now or later: what
    # has come of a head is judged by the piece.
    if not incomplete or (one.state and other.state):
        must(bool(one.reason) == bool(other.reason), "the outcome depends on cuts", one, other)
        must(one.state == other.state, "the outcome depends on cuts", one, other)


# --- answers ---

NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"
KEEP, END, RESET = "keep", "end", "reset"
"""What the instance does after its answer: nothing, end the connection, reset it."""
PASSED, OWN, CUT, WAITING = "passed", "own", "cut", "waiting"
"""What the client gets: the instance's answer, one of ours, the end in the middle of an answer, nothing yet."""


class Told(NamedTuple):
    """What a client was told."""

    kind: str
    answer: object
    """Status, body and fields, of an answer that was passed on."""
    reason: str
    interim: tuple
    raw: bytes
    reset: bool
    """It was told by a reset that the answer is not whole."""


def request_of(method, minor):
    length = b"Content-Length: 0\r\n" if method == b"POST" else b""
    return b"%b / HTTP/1.%d\r\nHost: a\r\n%b\r\n" % (method, minor, length)


def tell(stage, pieces, *, method=b"GET", minor=1, then=KEEP):
    """Let an instance answer a request with pieces, and then the next one in order."""
    stage.answer = lambda message, number: () if number == 0 else NEXT
    client = stage.client()
    try:
        client.send(request_of(method, minor))
        stage.settle(client)
        must(len(stage.instances) == len(stage.messages) == 1, stage.wires)
        instance = stage.instances[0]
        for piece in pieces:
            instance.send(piece)
            stage.settle(client)
        if then == END and not instance.lost:
            instance.end()
        elif then == RESET:
            instance.lose()
        stage.settle(client)
        told = _told(client, method)
        if told.kind in (PASSED, OWN) and client.state == "":
            before = len(client.written)
            client.send(request_of(b"GET", 1))
            stage.settle(client)
            taken = take_answer(bytes(client.written), before)
            must(taken is not None, "there is no next answer", client.written)
            must(taken[0].body == b"next", "the next answer is another one", client.written)
            if len(stage.instances) == 1:
                _check_reuse(b"".join(pieces), method, then)
    finally:
        left = stage.rest(client)
    must(not left, "something went wrong, or is left behind", left)
    return told


def _check_reuse(data, method, then):
    """Check that another request may follow this answer on its connection (RFC 9112 §9.3)."""
    read = letter.answers(data, method, ended=False)
    must(read.end == CLEAN and then == KEEP, "there is more on a connection that is used again", read)
    must(read.seen[0].stays, "a connection that ends is used again", read)


def _told(client, method):
    raw, reset = bytes(client.written), bool(client.socket.options)
    over = client.state in ("closed", "aborted")
    taken = take_answer(raw, 0, bodiless=method == b"HEAD", ended=over and not reset)
    if taken is None:
        return Told(CUT if over else WAITING, None, "", (), raw, reset)
    message, at = taken
    must(at == len(raw), "more was sent than an answer", raw)
    must(client.state != "aborted" or reset, "an answer is whole, and then cut", raw)
    interim = tuple(one.status for one in message.interim)
    if message.all("mainstay-reason"):
        return Told(OWN, None, message.all("mainstay-reason")[0].decode(), interim, raw, reset)
    return Told(
        PASSED, letter.Answer(message.status, message.body, tuple(_fields(message))), "", interim, raw, reset
    )


def check_told(data, told, *, method, then):
    """Check what a client was told of an instance's answer, by the letter."""
    read = letter.answers(data, method, ended=then == END)
    if told.kind == PASSED:
        must(read.seen, "what is no whole answer is passed on as one", read, told)
        theirs, ours = read.seen[0], told.answer
        must(ours[:2] == theirs[:2], "it is another answer", ours, theirs)
        sent = [*theirs.fields, *_numbers(theirs)]
        added = (b"date", b"connection", b"transfer-encoding", b"upgrade")
        named = letter.members(ours.fields, b"upgrade")
        must(
            not named or ours.status == 426,
            "it goes over to something",
            ours,
        )
        must(
            all(one in letter.members(theirs.fields, b"upgrade") for one in named), "nobody named that", ours
        )
        must(
            all(one in sent for one in ours.fields if one[0] not in added),
            "it was told what nobody said",
            ours,
        )
        _check_hop([one for one in ours.fields if one[0] not in added], theirs.fields)
    elif told.kind == WAITING:
        must(read.end == INCOMPLETE, "it waits for more of what is whole, or wrong", read, told)
    elif told.kind == CUT:
        must(not read.seen, "a whole answer is cut", read, told)


def check_source(data, told, reader, *, method, then):
    """Check that somebody who read the instance's own bytes saw the answer that we passed on."""
    read = reader(data, method, ended=then == END)
    if told.kind == PASSED:
        must(read.end != INCOMPLETE, "what others wait for is passed on as whole", read, told)
        must(not read.seen or read.seen[0][:2] == told.answer[:2], "it is another answer", read, told)
    elif told.kind == WAITING:
        must(not read.seen, "it waits for more of what others take for whole", read, told)


def check_heard(told, reader, *, method, then):
    """Check that somebody who reads what the client was told sees just that."""
    read = reader(told.raw, method, ended=told.kind != WAITING and not told.reset)
    if told.kind in (CUT, WAITING):
        must(not read.seen, "what is cut looks whole", read, told)
    elif told.kind == OWN:
        must(len(read.seen) == 1 and read.seen[0].status >= 500, read, told)
    else:
        must(read.seen and read.end == CLEAN, "it cannot be read", read, told)
        must(read.seen[0][:2] == told.answer[:2], "it is another answer", read, told)


def same_told(one, other):
    """Check that two ways of cutting the same bytes came to the same."""
    must(one.kind == other.kind and one.reason == other.reason, "the outcome depends on cuts", one, other)
    if one.kind in (PASSED, OWN):
        must(
            one.answer == other.answer and one.interim == other.interim,
            "the answer depends on cuts",
            one,
            other,
        )

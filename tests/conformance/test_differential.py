"""Nobody may see another message than we do: the gateway among other people's parsers.

What a client sends is read by them as well as by us, and so is what we pass on. The bytes are those of the
cases, mutations of them, and others put together from good pieces and bad. The laws are in `laws`.
"""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance import grammar, letter, readers
from conformance.laws import (
    END,
    KEEP,
    PASSED,
    RESET,
    Law,
    check_agreement,
    check_heard,
    check_passed,
    check_source,
    check_talk,
    check_told,
    same_talk,
    same_told,
    talk,
    tell,
)
from conformance.leniency import ANSWERS, REQUESTS, asked
from conformance.stage import Stage

ALIKE = settings(
    max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
MUTATIONS = 3000
"""About four seconds for each direction; `fuzz/` goes on from here."""
LENGTHS = [*range(20), 127, 128, 255, 256, 1023, 1024, 4095, 4096, 16384, 65535, 65536, 65537, 262144]
HOW = [(b"GET", 1), (b"GET", 1), (b"GET", 0), (b"HEAD", 1), (b"POST", 1)]


@pytest.fixture(scope="module")
def stage():
    made = Stage()
    yield made
    made.close()


@pytest.fixture(scope="module", params=[65536, 3], ids=["held", "streamed"])
def answering(request):
    made = Stage(call={"retry": None}, hold=request.param)
    yield made
    made.close()


def judge_requests(stage, data, cut):
    try:
        said = talk(stage, [data])
        check_talk(data, said)
        for reader in asked(readers.REQUESTS, REQUESTS, data).values():
            check_agreement(data, said, reader(data))
            check_passed(said, reader)
        same_talk(data, said, talk(stage, [data[:cut], data[cut:]]))
        same_talk(data, said, talk(stage, [data[:cut], data[cut:]], apart=False))
    except Law as law:
        raise Law(data, *law.args) from None
    return said


def judge_answer(stage, data, cut, method=b"GET", minor=1, then=KEEP):  # noqa: PLR0913, PLR0917 - what makes an answer
    how = {"method": method, "then": then}
    try:
        told = tell(stage, [data], minor=minor, **how)
        check_told(data, told, **how)
        for reader in asked(readers.ANSWERS, ANSWERS, data).values():
            check_source(data, told, reader, **how)
        for reader in asked(readers.ANSWERS, ANSWERS, told.raw).values():
            check_heard(told, reader, **how)
        same_told(told, tell(stage, [data[:cut], data[cut:]], minor=minor, **how))
    except Law as law:
        raise Law(data, how, minor, *law.args) from None
    return told


def test_what_clients_send_in_the_cases_means_the_same_to_everybody(stage):
    for data in grammar.requests():
        said = judge_requests(stage, data, len(data) // 2)
        same_talk(data, said, talk(stage, grammar.single(data)))


def test_what_is_made_of_it_by_mutation_means_the_same_to_everybody(stage):
    dice = random.Random("requests")
    seeds = grammar.requests()
    sound = [seed for seed in seeds if letter.requests(seed).seen]

    for number in range(MUTATIONS):
        data = grammar.mutated(dice, dice.choice(sound if number % 4 else seeds), seeds)
        judge_requests(stage, data, grammar.edge(dice, data))


@ALIKE
@given(grammar.REQUESTS, st.integers(0, 400))
def test_what_is_put_together_from_pieces_means_the_same_to_everybody(stage, data, cut):
    judge_requests(stage, data, cut)


def test_what_instances_answer_in_the_cases_means_the_same_to_everybody(answering):
    for data in grammar.answers():
        for method, minor in HOW[1:]:
            for then in (KEEP, END, RESET):
                told = judge_answer(answering, data, len(data) // 2, method, minor, then)
            same_told(told, tell(answering, grammar.single(data), method=method, minor=minor, then=then))


def test_an_answer_made_of_it_by_mutation_means_the_same_to_everybody(answering):
    dice = random.Random(answering.hold)
    seeds = grammar.answers()
    sound = [seed for seed in seeds if letter.answers(seed, b"GET", ended=True).seen]

    for number in range(MUTATIONS // 2):
        data = grammar.mutated(dice, dice.choice(sound if number % 4 else seeds), seeds)
        method, minor = dice.choice(HOW)
        judge_answer(
            answering, data, grammar.edge(dice, data), method, minor, dice.choice((KEEP, END, RESET))
        )


@ALIKE
@given(grammar.ANSWERS, st.integers(0, 400), st.sampled_from(HOW), st.sampled_from((KEEP, END, RESET)))
def test_an_answer_put_together_from_pieces_means_the_same_to_everybody(answering, data, cut, how, then):
    judge_answer(answering, data, cut, *how, then)


@ALIKE
@given(st.lists(grammar.plain_request(), min_size=1, max_size=4), st.lists(st.integers(0, 1000), max_size=4))
def test_what_is_plainly_valid_is_passed_on_as_it_was_meant(stage, requests, cuts):
    data = b"".join(written for written, _ in requests)

    said = talk(stage, grammar.pieces(data, cuts))

    assert not said.reason
    assert [one[:4] for one in said.seen] == [meant[:4] for _, meant in requests]
    for message, (_, meant) in zip(said.messages, requests, strict=True):
        assert [field for field in message.fields if field[0].startswith("x-plain")] == list(meant.fields)


@ALIKE
@given(grammar.plain_answer(), st.lists(st.integers(0, 1000), max_size=4), st.booleans())
def test_an_answer_that_is_plainly_valid_is_passed_on_as_it_was_meant(answering, plain, cuts, old):
    data, meant, then = plain

    told = tell(answering, grammar.pieces(data, cuts), minor=0 if old else 1, then=then)

    assert told.kind == PASSED
    assert told.answer[:2] == meant[:2]
    fields = [(name.decode(), value) for name, value in told.answer.fields if name.startswith(b"x-plain")]
    assert fields == list(meant.fields)


@pytest.mark.parametrize("size", LENGTHS)
def test_a_body_of_whatever_length_ends_where_it_ends(stage, answering, size):
    body = (grammar.SMUGGLED * (size // len(grammar.SMUGGLED) + 1))[:size]
    framed = [
        b"Content-Length: %d\r\n\r\n%b" % (size, body),
        b"Transfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (b"%X\r\n%b\r\n" % (size, body) if size else b""),
    ]
    start = b"POST / HTTP/1.1\r\nHost: a\r\n"

    said = talk(stage, [b"".join(start + one for one in (*framed, b"\r\n"))])
    told = [tell(answering, [b"HTTP/1.1 200 OK\r\n" + one]) for one in framed]

    assert [one.body for one in said.seen] == [body, body, b""]
    assert [one.answer.body for one in told] == [body, body]


def test_every_listed_way_of_reading_is_still_theirs():
    for one in REQUESTS:
        theirs, ours = readers.REQUESTS[one.reader](one.example), letter.requests(one.example)
        assert one.found.search(one.example)
        assert ([seen[:4] for seen in theirs.seen], theirs.end) != (
            [seen[:4] for seen in ours.seen],
            ours.end,
        )
    for one in ANSWERS:
        theirs = readers.ANSWERS[one.reader](one.example, b"GET", ended=True)
        ours = letter.answers(one.example, b"GET", ended=True)
        assert one.found.search(one.example)
        assert ([seen[:2] for seen in theirs.seen], theirs.end) != (
            [seen[:2] for seen in ours.seen],
            ours.end,
        )

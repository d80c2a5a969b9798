import json

import pytest

from mainstay.base.errors import SpecError
from mainstay.drill.load.mix import MOST, Errand, Letter, letters, read_mix, shop, write_mix


def written(errand, known=b"r-17", *, fresh=False):
    return Letter(errand, "h:1").written(known, fresh=fresh)


def test_a_request_without_an_id_is_always_the_same_bytes():
    assert written(Errand(method="GET", path="/a?b=c")) == (
        b"GET /a?b=c HTTP/1.1\r\nHost: h:1\r\nUser-Agent: mainstay-load\r\nAccept: */*\r\n\r\n"
    )


def test_the_id_stands_in_path_headers_and_body_and_the_length_counts_it():
    errand = Errand(
        method="PUT",
        path="/orders/{id}",
        headers={"X-Id": "<{id}>"},
        body='{"id":"{id}","é":"{id}"}',
        writes=True,
    )

    head, _, body = written(errand).partition(b"\r\n\r\n")

    assert head.startswith(b"PUT /orders/r-17 HTTP/1.1\r\n")
    assert b"\r\nX-Id: <r-17>\r\n" in head
    assert body.decode() == '{"id":"r-17","é":"r-17"}'
    assert head.endswith(b"Content-Length: %d" % len(body))
    assert errand.route == "PUT /orders/{id}"


def test_a_post_without_a_body_tells_so():
    assert b"\r\nContent-Length: 0\r\n\r\n" in written(Errand(method="POST", path="/", writes=True))


def test_what_is_told_takes_the_place_of_the_generators_own_headers():
    sent = written(Errand(method="GET", path="/", headers={"host": "shop.example", "Accept": "text/html"}))

    assert b"h:1" not in sent
    assert b"\r\nhost: shop.example\r\nAccept: text/html\r\n\r\n" in sent


def test_only_the_fresh_ask_for_their_connection_to_be_closed():
    errand = Errand(method="GET", path="/")

    assert b"\r\nConnection: close\r\n" in written(errand, fresh=True)
    assert b"Connection" not in written(errand)


@pytest.mark.parametrize("keyed", [False, True])
def test_the_shops_orders_have_their_id_in_head_and_body_and_as_a_key_if_wanted(keyed):
    page, order = shop(0.2, keyed=keyed)

    assert (page.weight, order.weight, page.writes, order.writes) == (0.8, 0.2, False, True)
    assert b"\r\nX-Order-Id: r-17\r\n" in written(order)
    assert written(order).endswith(b'\r\nContent-Length: 13\r\n\r\n{"id":"r-17"}')
    assert (b'\r\nIdempotency-Key: "r-17"\r\n' in written(order)) is keyed


def test_what_is_written_can_be_read():
    mix = [*shop(0.2, keyed=True), Errand(method="HEAD", path="/x?y", weight=3)]

    assert read_mix(write_mix(mix)) == mix


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "not a file of requests"),
        ("[" * 100_000, "not a file of requests"),
        ("{}", f"a list of 1 to {MOST} objects"),
        ("[]", f"a list of 1 to {MOST} objects"),
        ("[1]", "request 0 must be an object"),
        ('[{"method": "GET"}]', "request 0 has no path"),
        ('[{"method": "GET", "path": "/", "to": 1}]', "request 0 has an unknown 'to'"),
        ('[{"method": "GET", "path": "/", "weight": true}]', "request 0: weight cannot be true"),
        ('[{"method": "GET", "path": "/", "weight": 0}]', "all requests have weight 0"),
        ('[{"method": "GET", "path": "/", "weight": -1}]', "weight must be 0 or more, not -1"),
        ('[{"method": "GET", "path": "/", "weight": NaN}]', "weight must be 0 or more, not nan"),
        ('[{"method": "GET", "path": "/", "headers": {"A": 1}}]', "the values of headers must be text"),
        ('[{"method": "GET", "path": "/", "headers": {"A": "b\\r\\nC: d"}}]', "header 'A' cannot be sent"),
        ('[{"method": "GET", "path": "/", "headers": {"Content-Length": "1"}}]', "header 'Content-Length'"),
        ('[{"method": "GET", "path": "/ HTTP/1.1"}]', "path must begin with /"),
        ('[{"method": "get", "path": "/"}]', "method must be one in capitals"),
        ('[{"method": "CONNECT", "path": "/"}]', "method must be one in capitals"),
        ('[{"method": "GET", "path": "/", "body": "x"}]', "a GET has no body"),
        ('[{"method": "DELETE", "path": "/"}]', "DELETE / may change something, and `writes` is not told"),
    ],
)
def test_what_is_no_mix_is_refused_with_its_place(text, message):
    with pytest.raises(SpecError) as refusal:
        read_mix(text)

    assert message in str(refusal.value)


def test_over_tls_all_go_to_one_host():
    mix = [Errand(method="GET", path="/", headers={"Host": "other.example"})]

    assert len(letters(mix, "shop.example")) == len(letters(mix, "Other.example", one_host=True)) == 1
    with pytest.raises(SpecError, match=r"must go to one host: found shop.example and other.example"):
        letters(mix, "shop.example", one_host=True)


def test_a_mix_is_plain_json():
    assert json.loads(write_mix(shop(0.5, keyed=False)))[0]["path"] == "/"

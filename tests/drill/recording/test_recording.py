import json

import pytest

from mainstay.base.errors import EnvironmentProblem, SpecError
from mainstay.drill.recording import recorded
from mainstay.drill.recording.recorded import WRITES, Collection
from mainstay.drill.recording.recording import LARGEST, recording


@pytest.fixture
def read(tmp_path):
    def of(content, name="file"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return recording(file)

    return of


def routes(found):
    return {f"{one.errand.method} {one.errand.path}": one.errand.weight for one in found.requests}


def left(found):
    return {each.what: each.why for each in found.left}


def entry(method, url, status=200, headers=()):
    headers = [{"name": name, "value": value} for name, value in headers]
    return {"request": {"method": method, "url": url, "headers": headers}, "response": {"status": status}}


def har(*entries):
    return json.dumps({"log": {"version": "1.2", "entries": entries}}, indent=1)


# --- HAR ---


def test_a_har_file_gives_what_its_own_host_was_asked_by_how_often(read):
    found = read(
        har(
            entry("GET", "https://Shop.example/"),
            entry("GET", "https://shop.example/"),
            entry("GET", "https://shop.example/cart?id=1"),
            entry("GET", "https://fonts.example/a"),
            entry("POST", "https://shop.example/orders"),
            entry("GET", "https://shop.example/gone", 404),
            entry("GET", "https://shop.example/blocked", 0),
            entry("GET", "data:text/plain,x"),
            entry("GET", "https://["),
            {"nothing": 1},
        )
    )

    assert routes(found) == {"GET /": 2, "GET /cart?id=1": 1}
    assert {one.host for one in found.requests} == {"shop.example"}
    assert left(found) == {
        "GET /a": "is for another host than shop.example, which comes first",
        "POST /orders": WRITES,
        "GET /gone": "had no good answer",
        "GET /blocked": "had no good answer",
        "GET text/plain,x": "is not HTTP",
        "GET ": "has no URL",
    }


def test_nobodys_cookies_and_credentials_are_sent_again(read):
    headers = [
        ("Accept", "text/html"),
        ("Cookie", "session=1"),
        ("authorization", "Bearer x"),
        (":path", "/"),
    ]

    found = read(har(entry("GET", "https://shop.example/", headers=headers)))

    assert found.requests[0].errand.headers == {"Accept": "text/html"}


@pytest.mark.parametrize("text", ['{"log": {}}', '{"log": []}', '{"log": {"entries": {}}}'])
def test_a_har_file_without_entries_is_refused(read, text):
    with pytest.raises(SpecError, match="has a list of `entries`"):
        read(text)


# --- OpenAPI ---

API = """\
openapi: 3.1.0
servers: [{ url: "https://{where}.example/v1/", variables: { where: { default: shop } } }]
security: [{ token: [] }]
components:
  parameters:
    page: { name: page, in: query, schema: { default: 1 } }
    loop: { $ref: "#/components/parameters/loop" }
paths:
  /items:
    parameters: [{ $ref: "#/components/parameters/page" }]
    get: { security: [] }
    post: {}
  /items/{id}:
    parameters: [{ name: id, in: path, required: true, example: a/b }]
    get:
      security: [{}]
      parameters:
        - { name: X-Kind, in: header, required: true, schema: { enum: [small, large] } }
        - { name: from, in: query, examples: { one: { value: 2026-01-01 } } }
        - { name: all, in: query, example: true }
        - { name: way, in: cookie, schema: { example: x } }
        - { name: rare, in: query }
        - { $ref: "#/components/parameters/loop" }
        - { $ref: "other.yaml#/x" }
  /secret: { get: {} }
  /needs/{it}:
    get: { security: [], parameters: [{ name: it, in: path, schema: { type: string } }] }
  /untold/{it}: { get: { security: [] } }
"""


@pytest.mark.parametrize("as_json", [False, True])
def test_a_description_gives_what_can_be_asked_with_its_examples_and_defaults(read, as_json):
    text = API
    if as_json:
        from ruamel.yaml import YAML  # noqa: PLC0415 - only here

        text = json.dumps(YAML(typ="safe", pure=True).load(API), default=str)

    found = read(text)

    assert routes(found) == {
        "GET /v1/items?page=1": 1,
        "GET /v1/items/a%2Fb?from=2026-01-01&all=true": 1,
    }
    assert found.requests[1].errand.headers == {"X-Kind": "small", "Cookie": "way=x"}
    assert left(found) == {
        "POST /v1/items": WRITES,
        "GET /v1/secret": "needs credentials: write it into `requests` with its headers",
        "GET /v1/needs/{it}": "its parameter it has neither example nor default",
        "GET /v1/untold/{it}": "a part of its path is not described",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("swagger: '2.0'\npaths: {}", "only version 3 can be read"),
        ("openapi: 2", "only version 3 can be read, not 2"),
        ("openapi: 3.0.0", "has a mapping of `paths`"),
    ],
)
def test_what_is_no_description_of_version_3_is_refused(read, text, message):
    with pytest.raises(SpecError, match=message):
        read(text)


# --- access log ---


def line(method="GET", target="/", status=200, service="web", **more):
    return json.dumps({"method": method, "target": target, "status": status, "service": service} | more)


def test_an_access_log_gives_what_was_answered_well_by_how_often(read):
    found = read(
        "\n".join(
            [
                line(),
                line(),
                line(target="/api?x=1", service="api"),
                line("POST", "/orders"),
                line(target="/gone", status=404),
                line(target="/left", status=None),
                line(target="/ws", status=101, tunnel=True),
                line(target="/" + "x" * 2047),
                line(target="/a b"),
                '{"cut": ',
                "",
            ]
        )
    )

    assert routes(found) == {"GET /": 2, "GET /api?x=1": 1}
    assert [one.service for one in found.requests] == ["web", "api"]
    why = left(found)
    assert why["POST /orders"] == WRITES
    assert why["GET /gone"] == why["GET /left"] == "had no good answer"
    assert why["GET /ws"] == "went over to another protocol"
    assert why["GET /ab"].startswith("path must begin with /")
    assert why[" "] == "is no line of an access log"
    assert len(why) == 7


def test_of_a_long_log_the_last_lines_count(read, monkeypatch):
    monkeypatch.setattr("mainstay.drill.recording.recording.LARGEST", 200)

    found = read("\n".join(line(target=f"/{number}") for number in range(100)))

    assert 0 < len(found.requests) < 4
    assert found.requests[-1].errand.path == "/99"
    assert found.left == []


# --- what is none of them ---


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is neither a HAR file, nor"),
        (b"[]", "is neither a HAR file, nor"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is nested too deep"),
        (b"a: [", "is not YAML"),
        (b'a: "\\UFFFFFFFF"', "is not YAML"),
        (b"- " * 100_000, "is not YAML"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_what_is_none_of_them_is_refused_with_its_name(read, content, message):
    with pytest.raises(SpecError) as refusal:
        read(content, "some.file")

    assert message in str(refusal.value)
    assert "some.file: " in str(refusal.value)


def test_a_file_that_cannot_be_read_is_the_machines_problem(tmp_path):
    for file in (tmp_path, tmp_path / "missing"):
        with pytest.raises(EnvironmentProblem):
            recording(file)


def test_what_is_too_large_is_refused(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST + 1)

    with pytest.raises(SpecError, match="is larger than"):
        recording(tmp_path / "large")


def test_neither_requests_nor_what_is_left_out_grow_without_end(monkeypatch):
    monkeypatch.setattr(recorded, "MOST", 10)
    found = Collection()
    for number in range(300):
        found.take("GET", f"/{number}")

    told = found.recording()

    assert len(told.requests) == 10
    assert told.left[0].why == "there are more than 10 different ones"
    assert sum(each.times for each in told.left) == 290
    assert len(told.left) == 101

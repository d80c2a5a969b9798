"""Several services on one listening socket."""

import json

import pytest

from mainstay.gateway.table import Door, LogSettings, Redirect, Row, Rule, Settings, Table

RULES = [
    Rule(service="web"),
    Rule(service="api", path="/api"),
    Rule(service="shop", host="shop.example"),
    Rule(service="api", host="shop.example", path="/api/"),
]


async def serve(rig, rules, redirects=(), log=None):
    origin = await rig.up()
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    names = sorted({rule.service for rule in rules})
    settings = Settings(health=None, breaker=None)
    rig.worker.apply(
        Table(
            version=2,
            log=log,
            doors={"web": Door(rules=rules, redirects=list(redirects))},
            services=dict.fromkeys(names, settings),
            rows=[
                Row(service=name, instance=f"{name}-1", generation=1, host="127.0.0.1", port=origin.port)
                for name in names
            ],
        )
    )
    return origin


def served(rig):
    return {name: route.requests for name, route in rig.worker.routes.items() if route.requests}


@pytest.mark.parametrize(
    ("host", "target", "service"),
    [
        ("other.example", "/", "web"),
        ("other.example", "/apiary", "web"),
        ("other.example", "/api", "api"),
        ("other.example", "/api?x=/", "api"),
        ("other.example", "/api/users", "api"),
        ("shop.example", "/", "shop"),
        ("SHOP.example:8080", "/", "shop"),
        ("shop.example", "/api/users", "api"),
        ("http-absolute", "http://shop.example/x", "shop"),
    ],
)
async def test_a_request_goes_where_its_host_and_path_belong(rig, host, target, service):
    await serve(rig, RULES)

    answer = await rig.ask(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert answer.status == 200
    assert served(rig) == {service: 1}


async def test_what_is_nobodys_is_not_found(rig):
    await serve(rig, RULES[1:3])

    answer = await rig.ask(rig.get("/other"))

    assert answer.status == 404
    assert answer.json()["error"] == "no_route"
    assert served(rig) == {}


async def test_each_request_of_one_connection_finds_its_own_service(rig):
    await serve(rig, RULES)
    client = await rig.client()

    client.send(rig.get("/") + rig.get("/api") + rig.get("/"))
    statuses = [(await client.answer()).status for _ in range(3)]

    assert statuses == [200, 200, 200]
    assert served(rig) == {"web": 2, "api": 1}


async def test_what_some_would_read_as_another_services_path_is_refused(rig):
    await serve(rig, RULES)

    answer = await rig.ask(rig.get("/api/%2e%2e/x"))

    assert answer.status == 400
    assert answer.json()["error"] == "ambiguous_path"
    assert answer.get("connection") == "close"
    assert served(rig) == {}


async def test_a_host_that_some_would_decode_is_refused_where_hosts_decide(rig):
    await serve(rig, RULES)

    answer = await rig.ask(b"GET / HTTP/1.1\r\nHost: shop%2eexample\r\n\r\n")

    assert answer.json()["error"] == "bad_host"
    assert served(rig) == {}


async def test_the_server_as_a_whole_is_asked_of_whoever_takes_every_path(rig):
    await serve(rig, RULES)

    answer = await rig.ask(b"OPTIONS * HTTP/1.1\r\nHost: other.example\r\n\r\n")

    assert answer.status == 200
    assert served(rig) == {"web": 1}


async def test_what_is_routed_is_what_is_forwarded(rig):
    origin = await serve(rig, RULES)

    await rig.ask(rig.get("/api/a%2fb;c//d%41?e=%2f"))

    assert [request.target for request in origin.requests] == [b"/api/a%2fb;c//d%41?e=%2f"]


async def test_an_instance_gets_the_path_that_it_knows_and_is_told_what_is_missing(rig):
    origin = await serve(rig, [Rule(service="api", path="/api", rewrite="/"), Rule(service="web")])

    await rig.ask(rig.get("/api/users?x=1", "X-Forwarded-Prefix: /claimed", "X_Forwarded_Prefix: /claimed"))
    await rig.ask(rig.get("/other", "X-Forwarded-Prefix: /claimed"))

    first, second = origin.requests
    assert (first.target, first.all("x-forwarded-prefix")) == (b"/users?x=1", ["/api"])
    assert (second.target, second.all("x-forwarded-prefix")) == (b"/other", [])


async def test_a_rewritten_request_with_a_body_is_tried_elsewhere_as_it_was(rig):
    origin = await serve(rig, [Rule(service="api", path="/api", rewrite="/v2")])
    answers = [rig.DROP, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
    origin.answer = lambda request: answers.pop(0)

    answer = await rig.ask(rig.request("PUT", "/api/x", body=b"hello"))

    assert answer.status == 200
    assert [(one.target, one.body) for one in origin.requests] == [(b"/v2/x", b"hello")] * 2


# --- redirects ---

MOVED = [
    Redirect(host="www.shop.example", to="https://shop.example", status=308),
    Redirect(path="/old", to="/new"),
]


async def test_a_redirect_is_answered_by_the_gateway_and_the_connection_goes_on(rig):
    await serve(rig, RULES, MOVED)
    client = await rig.client()

    moved = await client.ask(b"GET /a?b HTTP/1.1\r\nHost: www.shop.example\r\n\r\n")
    head = await client.ask(rig.request("HEAD", "/old/x"), bodiless=True)
    other = await client.ask(rig.get("/"))

    assert (moved.status, moved.get("location")) == (308, "https://shop.example/a?b")
    assert (head.status, head.get("location")) == (307, "/new/x")
    assert moved.get("connection") is None
    assert moved.get("date")
    assert other.status == 200
    assert served(rig) == {"web": 1}


async def test_a_redirect_does_not_wait_for_a_body_that_nobody_wants(rig):
    await serve(rig, RULES, MOVED)
    client = await rig.client()

    client.send(b"POST /old HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
    answer = await client.answer()

    assert answer.status == 307
    assert answer.get("connection") == "close"
    assert await client.rest() == b""


async def test_a_redirect_that_may_be_meant_for_another_path_is_refused(rig):
    await serve(rig, RULES, MOVED)

    answer = await rig.ask(rig.get("/old/../api"))

    assert answer.status == 400


async def test_a_listener_may_only_redirect(rig):
    await serve(rig, [], [Redirect(to="https://shop.example")])

    answer = await rig.ask(rig.get("/x"))

    assert answer.get("location") == "https://shop.example/x"


async def test_what_is_written_down_is_what_the_client_asked_for(rig, tmp_path):
    file = tmp_path / "access.log"
    rules = [Rule(service="api", path="/api", rewrite="/")]
    await serve(rig, rules, MOVED, log=LogSettings(path=str(file)))

    await rig.ask(rig.get("/api/users"))
    await rig.ask(rig.get("/old/x"))
    await rig.until(lambda: file.exists() and file.read_text().count("\n") == 2)

    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(one["target"], one["status"], one["service"], one["reason"]) for one in told] == [
        ("/api/users", 200, "api", None),
        ("/old/x", 307, None, None),
    ]


async def test_rules_are_compiled_when_they_change_and_only_then(rig):
    await serve(rig, RULES)
    entrance = rig.worker.entrances["web"]
    before = entrance._router

    entrance.apply(Door(rules=list(RULES)), rig.worker.routes)
    same = entrance._router
    entrance.apply(Door(rules=RULES[:1]), rig.worker.routes)

    assert same is before
    assert entrance._router is not before
    assert entrance.sole is rig.worker.routes["web"]


async def test_many_rules_are_compiled_beside_the_traffic_and_followed_in_one_step(rig):
    await serve(rig, RULES)
    entrance = rig.worker.entrances["web"]
    door = Door(rules=[*RULES, *(Rule(service="shop", host=f"shop-{n}.example") for n in range(1000))])
    asked = b"GET / HTTP/1.1\r\nHost: shop-7.example\r\n\r\n"

    steps = 0
    for _ in entrance.prepare(door, rig.worker.routes):
        steps += 1
    await rig.ask(asked)
    before = served(rig)
    entrance.apply(door, rig.worker.routes)
    await rig.ask(asked)

    assert steps > 10
    assert before == {"web": 1}
    assert served(rig) == {"web": 1, "shop": 1}

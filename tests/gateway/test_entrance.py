"""Several services on one listening socket."""

import pytest

from mainstay.gateway.table import Door, Row, Rule, Settings, Table

RULES = [
    Rule(service="web"),
    Rule(service="api", path="/api"),
    Rule(service="shop", host="shop.example"),
    Rule(service="api", host="shop.example", path="/api/"),
]


async def serve(rig, rules):
    origin = await rig.up()
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    names = sorted({rule.service for rule in rules})
    settings = Settings(health=None, breaker=None)
    rig.worker.apply(
        Table(
            version=2,
            doors={"web": Door(rules=rules)},
            services=dict.fromkeys(names, settings),
            rows=[
                Row(service=name, instance=f"{name}-1", generation=1, host="127.0.0.1", port=origin.port)
                for name in names
            ],
        )
    )


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

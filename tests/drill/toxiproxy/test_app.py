"""The API of Toxiproxy as its clients see it, over a system that is played by a table of faults."""

import asyncio
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest

from mainstay.base.errors import MainstayError, NotRunning
from mainstay.drill.toxiproxy import held
from mainstay.drill.toxiproxy.app import VERSION, application
from mainstay.drill.toxiproxy.proxy import proxies
from mainstay.web.server import serving

LATENCY = {"type": "latency", "attributes": {"latency": 300}}


PATIENCE = 20.0


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - it is told of by nobody
            await asyncio.sleep(0.01)


def row(service, instance, port, generation=1):
    return {"service": service, "instance": instance, "port": port, "generation": generation}


class System:
    """A running system's answers: faults that begin, are renewed and end."""

    def __init__(self):
        self.faults = {}
        self.renewed = []
        self.over = {}
        self.told_over = False
        self.refuses = None
        self.gone = False
        self.begun = 0
        self.status = {
            "services": [
                {"service": "web", "listen": "http://127.0.0.1:8080"},
                {"service": "pay", "listen": "https://[::1]:8443"},
                {"service": "job", "listen": None},
            ],
            "instances": [
                row("web", "web-1", 18011, 2),
                row("web", "web-1", 18001),
                row("web", "web-2", None),
                row("pay", "pay.example:443", 443),
                row("job", "job-1", 18005),
            ],
        }

    async def ask(self, path, body):
        await asyncio.sleep(0)
        if self.gone:
            raise NotRunning("nothing is running")
        if path == "/v1/status":
            return self.status
        if path == "/v1/faults":
            if self.refuses:
                raise MainstayError(self.refuses)
            self.begun += 1
            self.faults[f"f-{self.begun}"] = body
            return {"id": f"f-{self.begun}"}
        _, _, _, id_, what = path.split("/")
        if what == "end" and id_ in self.over:
            self.told_over = True
            return {"ended": self.over[id_]}
        if id_ not in self.faults:
            raise MainstayError(f"no fault '{id_}'")
        if what == "end":
            del self.faults[id_]
        else:
            self.renewed.append(id_)
        return {"ended": "ended" if what == "end" else None}

    @property
    def kinds(self):
        return sorted(one["fault"] for one in self.faults.values())


class Client:
    def __init__(self, session, base):
        self._session = session
        self._base = base

    async def ask(self, method, path, body=None, **how):
        async with self._session.request(method, self._base + path, json=body, **how) as answer:
            return answer.status, (await answer.json() if answer.status != 204 else None)


@pytest.fixture
def system():
    return System()


@pytest.fixture
async def client(system):
    async with serving_to(system) as made:
        yield made


@asynccontextmanager
async def serving_to(system):
    sock = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with serving(application(system.ask), sock, grace=1), aiohttp.ClientSession() as session:
        yield Client(session, base)


def test_proxies_are_the_instances_and_the_services_that_the_gateway_leads_to(system):
    known = proxies(system.status)

    assert {name: (one.service, one.instance, one.listen, one.upstream) for name, one in known.items()} == {
        "web-1": ("web", "web-1", "127.0.0.1:8080", "127.0.0.1:18011"),
        "web-2": ("web", "web-2", "127.0.0.1:8080", ""),
        "web": ("web", "", "127.0.0.1:8080", "127.0.0.1:18011"),
        "pay.example:443": ("pay", "pay.example:443", "[::1]:8443", "pay.example:443"),
        "pay": ("pay", "", "[::1]:8443", "pay.example:443"),
    }


def test_a_service_that_is_called_as_an_instance_is_the_service(system):
    system.status["services"].insert(0, {"service": "web-1", "listen": "http://127.0.0.1:8081"})

    assert proxies(system.status)["web-1"].listen == "127.0.0.1:8081"


async def test_a_toxic_is_begun_changed_and_ended(system, client):
    begun = await client.ask("POST", "/proxies/web-1/toxics", LATENCY)
    first = dict(system.faults)
    changed = await client.ask("PATCH", "/proxies/web-1/toxics/latency_downstream", {"toxicity": 0.5})
    second = dict(system.faults)
    seen = await client.ask("GET", "/proxies/web-1/toxics/latency_downstream")
    of_proxy = await client.ask("GET", "/proxies/web-1")
    ended = await client.ask("DELETE", "/proxies/web-1/toxics/latency_downstream")

    told = {
        "attributes": {"latency": 300, "jitter": 0},
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1.0,
    }
    fault = {
        "fault": "latency",
        "delay": 0.3,
        "jitter": 0.0,
        "direction": "from",
        "toxicity": 1.0,
        "service": "web",
        "instances": ["web-1"],
        "lease": 10.0,
    }
    assert begun == (200, told)
    assert first == {"f-1": fault}
    assert changed == seen == (200, told | {"toxicity": 0.5})
    assert second == {"f-2": fault | {"toxicity": 0.5}}
    assert of_proxy[1]["toxics"] == [seen[1]]
    assert ended == (204, None)
    assert system.faults == {}
    assert await client.ask("GET", "/proxies/web-1/toxics") == (200, [])


async def test_a_toxic_of_a_service_is_aimed_at_all_that_it_has(system, client):
    await client.ask("POST", "/proxies/web/toxics", LATENCY)

    assert "instances" not in system.faults["f-1"]


async def test_a_toxic_that_does_nothing_is_there_and_is_no_fault(system, client):
    await client.ask("POST", "/proxies/web/toxics", {"type": "latency"})
    without = dict(system.faults)
    await client.ask("POST", "/proxies/web/toxics/latency_downstream", LATENCY)
    with_one = system.kinds
    await client.ask("POST", "/proxies/web/toxics/latency_downstream", {"attributes": {"latency": 0}})

    assert without == system.faults == {}
    assert with_one == ["latency"]
    assert len((await client.ask("GET", "/proxies/web/toxics"))[1]) == 1


async def test_a_proxy_is_switched_off_and_on(system, client):
    off = await client.ask("POST", "/proxies/web-1", {"enabled": False})
    await client.ask("PATCH", "/proxies/web-1", {})
    while_off = system.kinds
    on = await client.ask("PATCH", "/proxies/web-1", {"enabled": True})

    assert (off[0], off[1]["enabled"], on[1]["enabled"]) == (200, False, True)
    assert while_off == ["refuse"]
    assert system.faults == {}


async def test_who_remembers_where_an_instance_was_can_switch_it_on(system, client):
    await client.ask("POST", "/proxies/web-1", {"enabled": False})
    seen = (await client.ask("GET", "/proxies/web-1"))[1]
    system.status["instances"].append(row("web", "web-1", 18021, 3))

    status, told = await client.ask("POST", "/proxies/web-1", seen | {"enabled": True})

    assert (status, told["enabled"], told["upstream"]) == (200, True, "127.0.0.1:18021")


@pytest.mark.parametrize(("path", "count"), [("/reset", 0), ("/proxies/web", 1)])
async def test_what_is_cleared_is_mended(system, client, path, count):
    await client.ask("POST", "/proxies/web/toxics", LATENCY)
    await client.ask("POST", "/proxies/web-1/toxics", LATENCY)
    await client.ask("POST", "/proxies/web", {"enabled": False})

    answer = await client.ask("POST" if path == "/reset" else "DELETE", path)

    assert answer == (204, None)
    assert len(system.faults) == count
    assert (await client.ask("GET", "/proxies/web"))[1]["enabled"]


async def test_proxies_that_are_there_can_be_made(system, client):
    one = await client.ask("POST", "/proxies", {"name": "web-1", "upstream": "x:1", "enabled": False})
    two = await client.ask("POST", "/populate", [{"name": "web-1"}, {"name": "pay", "enabled": False}])

    assert (one[0], one[1]["upstream"], one[1]["enabled"]) == (201, "127.0.0.1:18011", False)
    assert two[0] == 201
    assert [(proxy["name"], proxy["enabled"]) for proxy in two[1]["proxies"]] == [
        ("web-1", True),
        ("pay", False),
    ]
    assert system.kinds == ["refuse"]


@pytest.mark.parametrize(
    ("asked", "body", "status", "said"),
    [
        ("GET /proxies/redis", None, 404, "proxy not found: 'redis'; "),
        ("POST /proxies", {"name": "redis"}, 400, "there are: web-1, web-2, web, pay.example:443, pay"),
        ("POST /proxies", {"upstream": "x:1"}, 400, "missing required field: name"),
        ("POST /proxies", {"name": "web", "enabled": "no"}, 400, "enabled must be true or false"),
        ("POST /proxies", [], 400, "bad request body: it must be an object"),
        ("POST /populate", {}, 400, "bad request body: it must be a list"),
        ("POST /populate", [{"name": "web", "enabled": False}, {"name": "x"}], 400, "not found: 'x'"),
        ("POST /proxies/web", {"listen": "127.0.0.1:1"}, 400, "listen is '127.0.0.1:8080', and cannot"),
        ("POST /proxies/web/toxics", {"type": "corrupt"}, 400, "invalid toxic type: 'corrupt'"),
        ("POST /proxies/web/toxics", {"type": "slicer"}, 400, "average_size must be above 0"),
        ("GET /proxies/web/toxics/slow", None, 404, "toxic not found: 'slow'; there are: none"),
        ("DELETE /proxies/web/toxics/slow", None, 404, "toxic not found"),
        ("PATCH /proxies/web/toxics/slow", {}, 404, "toxic not found"),
        ("GET /nothing", None, 404, "Not Found"),
        ("PUT /proxies", {}, 405, "Method Not Allowed"),
    ],
)
async def test_errors_are_those_of_toxiproxy(system, client, asked, body, status, said):  # noqa: PLR0913, PLR0917
    answer = await client.ask(*asked.split(" "), body)

    assert (answer[0], answer[1]["status"]) == (status, status)
    assert said in answer[1]["error"]
    assert system.faults == {}


async def test_a_second_toxic_of_a_name_is_refused_and_the_first_stays(system, client):
    await client.ask("POST", "/proxies/web/toxics", LATENCY)

    status, told = await client.ask("POST", "/proxies/web/toxics", LATENCY)

    assert (status, told["error"]) == (409, "toxic already exists: 'latency_downstream'")
    assert list(system.faults) == ["f-1"]


async def test_what_the_gateway_refuses_is_told_and_leaves_what_there_was(system, client):
    await client.ask("POST", "/proxies/web/toxics", LATENCY)
    system.refuses = "latency.delay must be a number from 0.001 to 60; not 61"

    status, told = await client.ask(
        "POST", "/proxies/web/toxics/latency_downstream", {"attributes": {"latency": 61_000}}
    )

    assert (status, told["error"]) == (400, f"bad request body: {system.refuses}")
    assert list(system.faults) == ["f-1"]
    assert (await client.ask("GET", "/proxies/web/toxics"))[1][0]["attributes"]["latency"] == 300


async def test_a_system_that_is_gone_is_told(system, client):
    system.gone = True

    assert await client.ask("GET", "/proxies") == (503, {"error": "nothing is running", "status": 503})


@pytest.mark.parametrize("header", [{"User-Agent": "Mozilla/5.0"}, {"Origin": "http://evil.example"}])
async def test_pages_in_browsers_are_refused(client, header):
    assert (await client.ask("POST", "/reset", headers=header))[0] == 403


async def test_the_version_is_one_that_can_be_parsed_and_says_who_we_are(client):
    assert await client.ask("GET", "/version") == (200, {"version": VERSION})
    assert VERSION.startswith("2.12.0+mainstay.")


async def test_leases_are_renewed_while_it_runs_and_end_with_it(system, monkeypatch):
    monkeypatch.setattr(held, "_EVERY", 0.01)
    async with serving_to(system) as client:
        await client.ask("POST", "/proxies/web/toxics", LATENCY)
        await until(lambda: len(system.renewed) >= 3)

    assert system.faults == {}


async def test_what_a_new_supervisor_does_not_know_is_begun_again(system, monkeypatch):
    monkeypatch.setattr(held, "_EVERY", 0.01)
    async with serving_to(system) as client:
        await client.ask("POST", "/proxies/web/toxics", LATENCY)
        system.gone = True
        await asyncio.sleep(0.05)
        system.faults.clear()
        system.gone = False
        await until(lambda: system.kinds == ["latency"])


@pytest.mark.parametrize(("reason", "stays"), [("lease over", True), ("all ended", False)])
async def test_what_somebody_else_has_ended_is_not_begun_again(system, monkeypatch, reason, stays):
    monkeypatch.setattr(held, "_EVERY", 0.01)
    async with serving_to(system) as client:
        await client.ask("POST", "/proxies/web/toxics", LATENCY)
        system.over["f-1"] = reason
        del system.faults["f-1"]
        await until(lambda: system.told_over)
        async with asyncio.timeout(PATIENCE):
            while (await client.ask("GET", "/proxies/web/toxics"))[1] if not stays else not system.faults:
                pass

        assert system.kinds == (["latency"] if stays else [])


async def test_what_cannot_be_begun_again_is_no_more(system, monkeypatch):
    monkeypatch.setattr(held, "_EVERY", 0.01)
    async with serving_to(system) as client:
        await client.ask("POST", "/proxies/web/toxics", LATENCY)
        await client.ask("POST", "/proxies/web-1", {"enabled": False})
        system.refuses = "no such service"
        system.faults.clear()
        async with asyncio.timeout(PATIENCE):
            while (await client.ask("GET", "/proxies/web/toxics"))[1]:
                pass
            while not (await client.ask("GET", "/proxies/web-1"))[1]["enabled"]:
                pass

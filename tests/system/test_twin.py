import stat
from pathlib import Path

import pytest

from mainstay.base.errors import EnvironmentProblem, SystemFileError
from mainstay.system.drills import Journal
from mainstay.system.load import load
from mainstay.system.twin import copy, files, relocated
from pki import Authority

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/mainstay.yaml"))

NASTY = """\
name: &name shop
zones: [a, "b"]
alerts: [{ webhook: "https://hooks.example/x" }]
gateway:
  admin: http://0.0.0.0:9901
  access_log: { path: access.log, sample: 10% }
  tracing: { sample: 50%, export: "http://collector:4318" }
  trusted_proxies: [10.0.0.0/8]
listeners:
  plain: { at: "http://0.0.0.0:8080", redirect: "https:8443" }
  secure:
    at: https://[::]:8443
    tls: { certificates: [{ cert: shop.example.crt, key: shop.example.key }] }
    proxy_protocol: on
    redirects: [{ path: /old, to: "https://elsewhere.example/$new" }]
services:
  web: &web
    command: [python3, -c, "print('${PORT} $${PORT} ${WHO} $$ $x ${LATER:-a: b}')", 1.10, true, ""]
    listen: secure
    routes: [{ host: shop.example }]
    env: &env { A: 1.50, B: "${WHO}", C: 'it''s "x"', D: "${PORT}/${MAINSTAY_INSTANCE}", E: off }
    env_file: web.env
    health: { path: "/$h" }
  api:
    <<: *web
    cwd: inner
    routes: [{ host: "*.api.example", path: /v1 }]
    env: { <<: *env, A: "2" }
    env_file: [web.env, inner/more.env]
  own:
    command: |
      cd /tmp &&
      exec thing ${PORT} "${WHO}"
    listen: https://0.0.0.0:9443
    tls: { cert: shop.example.crt, key: shop.example.key, client_ca: ca.pem, client_auth: optional }
  lines: { command: sleep 5, listen: "tcp://0.0.0.0:5432", health: off }
  theirs:
    addresses: [https://pay.example, { at: "http://10.0.0.7:80", zone: b }]
    listen: http://127.0.0.1:8090
    upstream_tls: { ca: ca.pem }
  worker: { command: "${WORKER:-sleep} 5", needs: [web, lines] }
drills:
  env: { DATABASE: "postgres://${MAINSTAY_INSTANCE}/drill", C: drilled }
  load: { from: recorded.har, journal: orders, requests: [GET /a, { request: "POST /$b/{id}", writes: true }] }
  accept: [{ fault: zone-kill, target: a, reason: "one rack", until: 2030-01-31 }]
  disk: { web: inner }
"""
ENVIRON = {"WHO": 'me $$ ${PORT} "\u20ac"\n#', "PORT": "80"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Give a folder with a system file that has all that a copy could stumble over."""
    folder = tmp_path_factory.mktemp("shop")
    Authority(folder).issue("shop.example")
    (folder / "inner").mkdir()
    (folder / "recorded.har").write_text('{"log": {"entries": []}}')
    (folder / "web.env").write_text("X=1\n")
    (folder / "inner" / "more.env").write_text("Y=$2\n")
    (folder / "mainstay.yaml").write_text(NASTY)
    return load(folder / "mainstay.yaml", ENVIRON)


def copied(system, folder, env=None, environ=None):
    ports = {opening.key: 21000 + place for place, opening in enumerate(system.openings().values())}
    return copy(system, folder, ports, env, environ)


def values(system):
    """Give all that it says by its path, but for what a copy has to change."""
    changed = {"admin", "alerts", "export", "at", "listen", "redirect", "proxy_protocol"}

    def walk(value, path):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in changed:
                    yield from walk(inner, (*path, key))
        elif isinstance(value, list | tuple):
            for place, inner in enumerate(value):
                yield from walk(inner, (*path, place))
        else:
            yield path, (system.folder / value).resolve() if isinstance(value, Path) else value

    told = dict(walk(system.model_dump(), ()))
    told.pop(("gateway", "access_log", "path"), None)
    for name, service in system.services.items():
        if service.command is None:  # nothing runs there
            del told["services", name, "cwd"]
        else:
            told.update({("services", name, "env", key): value for key, value in system.drills.env.items()})
    return told


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_a_copy_of_an_example_says_what_the_example_says(file, tmp_path):
    system = load(file, {})

    twin = copied(system, tmp_path / "twin", environ={})

    assert values(twin) == values(system)


def test_a_copy_of_a_nasty_file_says_what_the_file_says(shop, tmp_path):
    twin = copied(shop, tmp_path / "twin", environ=ENVIRON)

    assert values(twin) == values(shop)
    assert twin.services["web"].env["D"] == "${PORT}/${MAINSTAY_INSTANCE}"
    assert twin.services["web"].env["B"] == ENVIRON["WHO"]
    for name, service in shop.services.items():
        if service.command is not None:
            assert twin.services[name].argv({"PORT": "1"}) == service.argv({"PORT": "1"})
            drilled = service.environment(shop.folder) | shop.drills.env
            assert twin.services[name].environment(twin.folder) == drilled
            assert twin.services[name].working_folder(twin.folder) == service.working_folder(shop.folder)


def test_a_copy_listens_where_it_is_told_and_speaks_there_what_the_system_speaks(shop, tmp_path):
    twin = copied(shop, tmp_path / "twin", environ=ENVIRON)

    assert {opening.key: str(opening.listener) for opening in twin.openings().values()} == {
        "listeners.plain.at": "http://127.0.0.1:21000",
        "listeners.secure.at": "https://127.0.0.1:21001",
        "services.own.listen": "https://127.0.0.1:21002",
        "services.lines.listen": "tcp://127.0.0.1:21003",
        "services.theirs.listen": "http://127.0.0.1:21004",
    }
    assert twin.listeners["plain"].redirect == 21001
    assert twin.services["web"].listen == "secure"


def test_a_copy_is_not_taken_for_the_running_system(shop, tmp_path):
    twin = copied(shop, tmp_path / "twin", environ=ENVIRON)

    assert twin.gateway.admin is None
    assert twin.alerts == []
    assert twin.gateway.tracing.export is None
    assert twin.gateway.tracing.sample == 0.5
    assert twin.gateway.access_log.path is None
    assert not twin.listeners["secure"].proxy_protocol


def test_a_copy_gets_variables_of_its_own_over_those_of_the_file(shop, tmp_path):
    told = {"A": "${MAINSTAY_INSTANCE} $$", "DATABASE": "postgres://drill"}

    twin = copied(shop, tmp_path / "twin", told, ENVIRON)

    for name in ("web", "api", "own", "lines", "worker"):
        assert told.items() <= twin.services[name].env.items()
        assert twin.services[name].env["C"] == "drilled"
    assert twin.services["web"].env["E"] == "off"
    assert twin.services["theirs"].env == {}


CALLS = """\
services:
  api: { command: sleep 5, listen: http://127.0.0.1:18480 }
  web:
    command: [run, --api=http://localhost:18480/v1, 18480]
    listen: http://127.0.0.1:18481
    env: { API_URL: "http://127.0.0.1:18480", OTHER: "http://127.0.0.1:9", PLAIN: 18480, "DB": "${DB:-localhost:5432}" }
    env_file: web.env
  worker: { command: "run 0.0.0.0:18481 && wait", env: { PEER: none } }
drills: { env: { PEER: "http://localhost:18481" } }
"""


@pytest.fixture
def calls(tmp_path):
    """Give a system whose services call one another by addresses that they are told."""
    (tmp_path / "web.env").write_text(
        "API=127.0.0.1:18480\nAPI_URL=127.0.0.1:18480\nPORT=localhost:18480\nX=1\n"
    )
    (tmp_path / "mainstay.yaml").write_text(CALLS)
    return load(tmp_path / "mainstay.yaml", {})


def test_who_calls_another_service_calls_that_of_the_copy(calls, tmp_path):
    twin = copied(calls, tmp_path / "twin", environ={})

    web, worker = twin.services["web"], twin.services["worker"]
    assert web.env == {
        "API_URL": "http://127.0.0.1:21000",
        "OTHER": "http://127.0.0.1:9",
        "PLAIN": "18480",
        "DB": "localhost:5432",
        "PEER": "http://127.0.0.1:21001",
        "API": "127.0.0.1:21000",
    }
    assert web.command == ["run", "--api=http://127.0.0.1:21000/v1", "18480"]
    assert (worker.command, worker.env) == (
        "run 127.0.0.1:21001 && wait",
        {"PEER": "http://127.0.0.1:21001"},
    )


def test_who_needs_a_service_is_told_where_the_copys_is(tmp_path):
    told = "services: { api: { command: sleep 5, listen: http://127.0.0.1:18480 },"
    told += ' web: { command: sleep 5, needs: [api], env: { API: "${MAINSTAY_URL_API}/v1" } } }'
    (tmp_path / "mainstay.yaml").write_text(told)
    system = load(tmp_path / "mainstay.yaml", {})

    twin = copied(system, tmp_path / "twin", environ={})

    assert system.services["web"].urls == {"MAINSTAY_URL_API": "http://127.0.0.1:18480"}
    assert twin.services["web"].urls == {"MAINSTAY_URL_API": "http://127.0.0.1:21000"}
    assert twin.services["web"].env == {"API": "${MAINSTAY_URL_API}/v1"}


def test_which_values_are_others_in_a_copy_is_told(calls, shop):
    assert relocated(calls) == [
        "services.api.env.PEER",
        "services.web.env.API_URL",
        "services.web.env.PEER",
        "services.web.env_file (API)",
        "services.web.command",
        "services.worker.env.PEER",
        "services.worker.command",
    ]
    assert relocated(shop) == []


def test_what_is_drilled_is_found_where_it_was(shop, tmp_path):
    twin = copied(shop, tmp_path / "twin", environ=ENVIRON)

    assert twin.drills.load.recorded == shop.folder / "recorded.har"
    assert twin.drills.load.journal == Journal(shop.folder / "orders", "")
    assert twin.drills.disk == {"web": shop.folder / "inner"}
    assert twin.drills.accept == shop.drills.accept


def test_nobody_else_can_read_a_copy_and_its_first_line_says_what_it_is(shop, tmp_path):
    twin = copied(shop, tmp_path / "twin", environ=ENVIRON)

    assert stat.S_IMODE(twin.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(twin.folder.stat().st_mode) == 0o700
    assert twin.file.read_text().splitlines()[0] == (
        f'# A private copy of "{shop.file}" for a drill; it is removed when that ends.'
    )


def test_a_copy_of_a_copy_is_the_same(shop, tmp_path):
    twin = copied(shop, tmp_path / "one", environ=ENVIRON)

    again = copied(twin, tmp_path / "two", environ={})

    assert again.file.read_text().splitlines()[1:] == twin.file.read_text().splitlines()[1:]


def test_a_copy_never_takes_the_place_of_a_file(shop, tmp_path):
    (tmp_path / "mainstay.yaml").write_text("mine")

    with pytest.raises(EnvironmentProblem, match=r"cannot write .*mainstay.yaml': File exists"):
        copied(shop, tmp_path, environ=ENVIRON)

    assert (tmp_path / "mainstay.yaml").read_text() == "mine"


def test_a_file_that_has_become_wrong_is_not_copied(tmp_path):
    (tmp_path / "mainstay.yaml").write_text("services: { web: { command: sleep 5 } }")
    system = load(tmp_path / "mainstay.yaml")
    (tmp_path / "mainstay.yaml").write_text("services: { web: { command: 5 } }")

    with pytest.raises(SystemFileError):
        copied(system, tmp_path / "twin")

    assert not (tmp_path / "twin").exists()


def test_all_files_that_a_system_file_can_name_are_known():
    # Whoever adds one says here that a copy may name the same; what is written to belongs under LEFT_OUT.
    tls = [("cert",), ("key",), ("client_ca",), ("certificates", "*", "cert"), ("certificates", "*", "key")]

    assert sorted(files()) == sorted(
        [
            ("drills", "disk", "*"),
            ("drills", "load", "from"),
            ("drills", "load", "journal"),
            ("gateway", "access_log", "path"),
            *(("listeners", "*", "tls", *path) for path in tls),
            *(("services", "*", "tls", *path) for path in tls),
            *(("services", "*", "upstream_tls", key) for key in ("ca", "cert", "key")),
            ("services", "*", "cwd"),
            ("services", "*", "env_file", "*"),
        ]
    )

import pytest

from mainstay.system.entrance import Entrance
from mainstay.system.listener import Listener
from mainstay.system.opening import check_openings
from mainstay.system.schema import Service

PORTS = {"web": 80, "api": 81}
AT = Entrance(at="http://127.0.0.1:80")


def own():
    return {name: Service(command="run", listen=f"http://127.0.0.1:{port}") for name, port in PORTS.items()}


def findings(services, shared=None, admin=None):
    return list(check_openings(services, shared or {}, admin))


def shared(**routes):
    return {name: Service(command="run", listen="public", routes=its) for name, its in routes.items()}


def test_the_third_listener_is_told_only_its_first_clash():
    services = {name: Service(command="run", listen="http://0.0.0.0:80") for name in ("a", "b", "c")}

    told = findings(services)

    assert [path for path, _ in told] == [("services", "b", "listen"), ("services", "c", "listen")]
    assert all("is taken by services.a" in message for _, message in told)


@pytest.mark.parametrize("admin", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_an_admin_listener_may_not_be_that_of_a_service(admin):
    told = findings(own(), admin=Listener(admin, 81))

    assert told == [
        (
            ("gateway", "admin"),
            f"http://{admin}:81 is taken by services.api, which listens on http://127.0.0.1:81",
        )
    ]


def test_an_admin_listener_of_its_own_is_no_problem():
    assert findings(own(), admin=Listener("127.0.0.1", 82)) == []
    assert findings(own(), admin=Listener("127.0.0.2", 81)) == []


def test_services_may_share_a_listener_when_their_requests_differ():
    services = shared(web=[], api=[{"path": "/api"}], shop=[{"host": "shop.example"}])

    assert findings(services, {"public": AT}) == []


def test_two_services_may_not_take_the_same_requests():
    services = shared(web=[], api=[{"path": "/api"}, {"path": "/"}])

    assert findings(services, {"public": AT}) == [
        (
            ("services", "api", "routes", 1),
            "takes the same requests of listeners.public as services.web.listen",
        )
    ]


def test_a_shared_listener_may_not_be_where_a_service_has_its_own():
    services = own() | shared(other=[])

    assert findings(services, {"public": AT}) == [
        (
            ("services", "web", "listen"),
            "http://127.0.0.1:80 is taken by listeners.public, which listens on http://127.0.0.1:80",
        )
    ]


def test_a_listener_that_is_not_there_is_told_with_the_nearest():
    services = {
        "web": Service(command="run", listen="publik"),
        "api": Service(command="run", listen="public"),
    }

    assert findings(services, {"public": AT}) == [
        (("services", "web", "listen"), "there is no listener publik under listeners; did you mean public?")
    ]


def test_a_listener_that_nobody_uses_is_told():
    assert findings({"web": Service(command="run")}, {"public": AT}) == [
        (("listeners", "public"), "no service takes traffic here: name it as `listen` of one")
    ]


def test_a_listener_and_a_service_with_its_own_may_not_have_one_name():
    services = {
        "web": Service(command="run", listen="http://127.0.0.1:81"),
        "api": Service(command="run", listen="web"),
    }

    assert findings(services, {"web": AT}) == [
        (("listeners", "web"), "services.web has a listener of its own under the same name")
    ]


def test_routes_are_for_shared_listeners():
    services = {"web": Service(command="run", listen="http://127.0.0.1:81", routes=[{"path": "/a"}])}

    assert findings(services) == [
        (
            ("services", "web", "routes"),
            "only a shared listener has routes: put its address under listeners, and its name here as `listen`",
        )
    ]


def redirecting(*redirects):
    return {"public": Entrance(at="http://127.0.0.1:80", redirects=list(redirects))}


def test_a_listener_may_do_nothing_but_redirect():
    assert findings({"web": Service(command="run")}, redirecting({"to": "https://shop.example"})) == []


def test_a_redirect_may_not_take_what_a_service_takes():
    told = findings(shared(web=[], api=[{"path": "/api"}]), redirecting({"path": "/api/", "to": "/new"}))

    assert told == [
        (
            ("services", "api", "routes", 0),
            "takes the same requests of listeners.public as listeners.public.redirects[0]",
        )
    ]


def test_nothing_can_be_kept_after_a_query():
    wrong = {"path": "/a", "to": "https://shop.example/?x"}
    right = {"path": "/b", "to": "https://shop.example/?x#y", "keep": "off"}

    assert findings(shared(web=[]), redirecting(wrong, right)) == [
        (
            ("listeners", "public", "redirects", 0, "to"),
            "has a query or a fragment, after which nothing can be kept: tell `keep: off`",
        )
    ]


@pytest.mark.parametrize(
    ("redirect", "circle"),
    [
        ({"path": "/old", "to": "/old/er"}, True),
        ({"path": "/old", "to": "/old?x", "keep": "off"}, True),
        ({"path": "/old", "to": "/older"}, False),
        ({"path": "/old", "to": "/"}, False),
        ({"path": "/old", "to": "/old/new"}, False),
        ({"path": "/old", "to": "/old/new/er"}, False),
        ({"host": "a.example", "to": "/x"}, True),
        ({"host": "a.example", "path": "/x", "to": "/y"}, False),
        ({"path": "/old", "to": "https://shop.example/old"}, False),
    ],
)
def test_a_redirect_may_not_lead_to_itself(redirect, circle):
    services = shared(web=[], new=[{"path": "/old/new"}])

    told = findings(services, redirecting(redirect))

    assert bool(told) is circle
    if circle:
        assert told[0][0] == ("listeners", "public", "redirects", 0, "to")


def test_only_a_path_can_be_rewritten():
    assert findings(shared(web=[{"host": "a.example", "rewrite": "/"}]), {"public": AT}) == [
        (("services", "web", "routes", 0, "rewrite"), "takes the place of `path`, which is not told")
    ]


@pytest.mark.parametrize("trusted", [True, False])
def test_only_trusted_proxies_may_introduce_clients(trusted):
    entrance = Entrance(at="http://127.0.0.1:80", proxy_protocol="on")

    told = list(check_openings(shared(web=[]), {"public": entrance}, None, trusted=trusted))

    assert told == (
        []
        if trusted
        else [
            (
                ("listeners", "public", "proxy_protocol"),
                "lets in nobody but gateway.trusted_proxies, and there are none",
            )
        ]
    )

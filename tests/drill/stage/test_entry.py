from mainstay.drill.stage.entry import entries
from mainstay.system.schema import System

SLEEP = {"command": "sleep 5"}


def test_a_listener_has_a_way_in_for_each_host_that_is_told():
    system = System.model_validate(
        {
            "listeners": {"public": {"at": "https://0.0.0.0:8443"}, "old": {"at": "http://0.0.0.0:80"}},
            "services": {
                "web": SLEEP | {"listen": "public"},
                "api": SLEEP | {"listen": "public", "routes": [{"path": "/v1"}, {"path": "/v2"}]},
                "shop": SLEEP
                | {"listen": "public", "routes": [{"host": "*.shop.example"}, {"host": "a.example"}]},
                "six": SLEEP | {"listen": "http://[::]:8080"},
                "lines": SLEEP | {"listen": "tcp://0.0.0.0:5432"},
                "worker": SLEEP,
            },
        }
    )

    found = entries(system)

    assert [(one.name, one.url, one.host) for one in found] == [
        ("public", "https://127.0.0.1:8443", "127.0.0.1:8443"),
        ("public *.shop.example", "https://127.0.0.1:8443", "drill.shop.example"),
        ("public a.example", "https://127.0.0.1:8443", "a.example"),
        ("six", "http://[::1]:8080", "[::1]:8080"),
    ]
    assert [one.listener for one in found] == ["public", "public", "public", "six"]
    assert found[0].ways == (("web", "/"), ("api", "/v1"), ("api", "/v2"))
    assert found[0].services == ("web", "api")
    assert found[1].services == ("shop",)

import posixpath
import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainstay.gateway.reading import AmbiguousError
from mainstay.gateway.router import AmbiguousHostError, Node, Router, hostname

RULES = [
    ("", "", "rest"),
    ("", "/api", "api"),
    ("", "/api/v1", "first"),
    ("", "/admin", "admin"),
    ("", "/caf%C3%A9", "café"),
]


# --- hosts ---

HOSTS = [
    ("shop.example", "", "shop"),
    ("*.shop.example", "", "any shop"),
    ("*.a.shop.example", "", "shops of a"),
    ("b.a.shop.example", "", "b"),
    ("*.example", "", "example"),
    ("[::1]", "", "loopback"),
    ("127.0.0.1", "", "four"),
    ("", "", "rest"),
]


@pytest.mark.parametrize(
    ("host", "goal"),
    [
        ("shop.example", "shop"),
        ("SHOP.Example", "shop"),
        ("shop.example:8080", "shop"),
        ("shop.example:", "shop"),
        ("shop.example.", "shop"),
        ("shop.example.:80", "shop"),
        ("www.shop.example", "any shop"),
        ("x.y.shop.example", "any shop"),
        ("a.shop.example", "any shop"),
        ("x.a.shop.example", "shops of a"),
        ("b.a.shop.example", "b"),
        ("ashop.example", "example"),
        ("x.b.a.shop.example", "shops of a"),
        ("example", "rest"),
        ("shop.example.org", "rest"),
        ("*.shop.example", "any shop"),
        ("shop.example..", "rest"),
        ("", "rest"),
        ("127.0.0.1:80", "four"),
        ("[::1]", "loopback"),
        ("[::1]:8080", "loopback"),
        ("[0:0:0:0:0:0:0:1]", "loopback"),
        ("[::2]", "rest"),
    ],
)
def test_the_most_exact_host_comes_first(host, goal):
    assert Router(HOSTS).find(host.encode(), b"/") == goal


@pytest.mark.parametrize(
    "host", ["shop%2eexample", "shop.example%00", "[:::]", "[1.2.3.4]", "[::ffff:300.1.1.1]"]
)
def test_a_host_that_may_be_another_is_refused_where_hosts_decide(host):
    with pytest.raises(AmbiguousHostError):
        Router(HOSTS).find(host.encode(), b"/")

    assert Router(RULES).find(host.encode(), b"/") == "rest"


def test_what_a_host_does_not_take_is_for_less_exact_ones():
    router = Router([("a.example", "/x", 1), ("*.example", "/y", 2), ("", "/z", 3)])

    assert [router.find(b"a.example", path) for path in (b"/x", b"/y", b"/z", b"/")] == [1, 2, 3, None]


def test_the_host_counts_for_more_than_the_length_of_the_path():
    router = Router([("", "/api/v1", "long"), ("a.example", "", "host")])

    assert router.find(b"a.example", b"/api/v1/x") == "host"


def test_a_name_that_is_longer_than_names_can_be_is_under_no_wildcard():
    router = Router([("*.example", "", 1)])

    assert router.find(b"a." * 123 + b"example", b"/") == 1
    assert router.find(b"a." * 124 + b"example", b"/") is None


# --- paths ---


@pytest.mark.parametrize(
    ("path", "goal"),
    [
        ("/", "rest"),
        ("*", "rest"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/v2", "api"),
        ("/api/v1", "first"),
        ("/api/v1/users", "first"),
        ("/api/v10", "api"),
        ("/apiary", "rest"),
        ("/API", "rest"),
        ("/x/api", "rest"),
        ("/%61pi/x", "api"),
        ("/caf%C3%A9/x", "café"),
        ("/caf%c3%a9", "café"),
        ("/api/a%2fb", "api"),
        ("/api/a//b", "api"),
        ("/api/a;b=c", "api"),
        ("/a//b;c%2f", "rest"),
        ("/.well-known/x", "rest"),
    ],
)
def test_the_longest_path_of_whole_segments_takes_it(path, goal):
    assert Router(RULES).find(b"a", path.encode()) == goal


@pytest.mark.parametrize(
    "path",
    [
        "/api/../admin",
        "/api/%2e%2e/admin",
        "/api/..%2fadmin",
        "/api/..;/admin",
        "/api\\..\\admin",
        "/api/.",
        "//admin",
        "/api//v1",
        "/api%2fv1",
        "/api\\v1",
        "/admin;x",
        "/admin%3fx",
        "/admin%23",
        "/admin%00.html",
        "/%2561dmin",
        "/%2fadmin",
        "/;/admin",
    ],
)
def test_what_another_reading_would_send_elsewhere_is_refused(path):
    with pytest.raises(AmbiguousError):
        Router(RULES).find(b"a", path.encode())


def test_where_only_hosts_decide_every_path_is_passed_on():
    router = Router([("shop.example", "", 1), ("", "/", 2)])

    assert router.find(b"shop.example", b"/api/../admin") == 1
    assert router.find(b"other.example", b"/%2e%2e/x") == 2


def test_rules_that_do_the_same_leave_nothing_in_doubt():
    router = Router([("", "/api", "api"), ("", "/api/v1", "api")])

    assert router.find(b"a", b"/api//v1") == "api"


# --- whatever comes ---


def goal_of(path):
    """Find by looking at all of the rules."""
    fits = [
        (len(prefix), goal)
        for _, prefix, goal in RULES
        for form in {prefix.encode(), unquote_to_bytes(prefix)}
        if path == form or path.startswith(form + b"/")
    ]
    return max(fits)[1] if fits else "rest"


def resolved(path):
    return re.sub(b"^/+", b"/", posixpath.normpath(path))


def equal(path):
    """Write unreserved characters as themselves (RFC 3986 §6.2.2.2)."""
    return re.sub(
        rb"%[0-9A-Fa-f]{2}",
        lambda it: one if re.fullmatch(rb"[\w.~-]", one := unquote_to_bytes(it[0])) else it[0].upper(),
        path,
    )


OTHERS = {
    "the RFC": lambda path: resolved(equal(path)),
    "decodes, then merges": lambda path: resolved(re.sub(b"//+", b"/", unquote_to_bytes(path))),
    "merges, then decodes": lambda path: resolved(unquote_to_bytes(re.sub(b"//+", b"/", path))),
    "cuts parameters": lambda path: resolved(unquote_to_bytes(re.sub(b";[^/]*", b"", path))),
    "cuts parameters at last": lambda path: resolved(re.sub(b";[^/]*", b"", unquote_to_bytes(path))),
    "takes backslashes": lambda path: resolved(unquote_to_bytes(path).replace(b"\\", b"/")),
    "takes backslashes only": lambda path: resolved(equal(path).replace(b"\\", b"/")),
    "decodes twice": lambda path: resolved(unquote_to_bytes(unquote_to_bytes(path))),
    "keeps dots": lambda path: re.sub(b"//+", b"/", equal(path)),
    "all of it": lambda path: resolved(
        re.sub(b";[^/]*", b"", unquote_to_bytes(unquote_to_bytes(path)).replace(b"\\", b"/"))
    ),
    "ends at a question": lambda path: resolved(re.split(rb"[?#\0]", unquote_to_bytes(path))[0]),
}

PIECES = [
    "/", "//", "/api", "/..", "api", "admin", "v1", "x", ".", "..", "...", ".x", "%2e", "%2E%2e", "%2f", "%5c", "\\",
    ";", ";a=b", "%3b", "%252e", "%252f", "%61pi", "caf%C3%A9", "caf%c3%a9", "%", "%3f", "%23", "%00",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=8).map(lambda parts: ("/" + "".join(parts)).encode()))
@example(b"/api/x/..;/..//admin")
@example(b"/x/%2e%2e%2fadmin")
def test_nobody_behind_us_can_see_a_path_of_another_rule(path):
    try:
        goal = Router(RULES).find(b"a", path)
    except AmbiguousError:
        return

    assert {name: goal_of(other(path)) for name, other in OTHERS.items()} == dict.fromkeys(OTHERS, goal)


labels = st.sampled_from(["a", "b", "shop", "example"])
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
paths = st.lists(st.sampled_from(["a", "b", "api"]), max_size=3).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)
hosts = st.one_of(st.just(""), names, names.map("*.{}".format))


def precedence(rule, host, path):
    """Give how exactly a rule fits, or None when it does not; host first, then path."""
    its, prefix, _ = rule
    if path != prefix and not path.startswith(prefix + "/"):
        return None
    if its == host:
        exact = 1000
    elif its.startswith("*.") and host.endswith(its[1:]):
        exact = len(its)
    elif its:
        return None
    else:
        exact = 0
    return exact, len(prefix)


@given(
    st.lists(st.tuples(hosts, paths), max_size=12, unique=True),
    names,
    paths.map(lambda path: path or "/"),
)
def test_it_finds_what_trying_every_rule_would_find(told, host, path):
    rules = [(*rule, number) for number, rule in enumerate(told)]
    fits = [(how, rule[2]) for rule in rules if (how := precedence(rule, host, path)) is not None]

    found = Router(rules).find(host.encode(), path.encode())

    assert found == (max(fits)[1] if fits else None)


# --- cost ---


class Counting(dict):
    """A dict that counts how often it is asked."""

    asked = 0

    def get(self, key, default=None):
        Counting.asked += 1
        return super().get(key, default)


def counted(node):
    node.below = Counting(node.below)
    for child in node.below.values():
        counted(child)


@pytest.mark.parametrize("count", [10, 10_000])
def test_a_lookup_takes_as_many_steps_with_ten_thousand_rules_as_with_ten(count):
    rules = [(f"s{n}.example", "", n) for n in range(count)]
    rules += [("*.shop.example", f"/api/part-{n}", n) for n in range(count)]
    router = Router(rules)
    router._named, router._under = Counting(router._named), Counting(router._under)
    for trees in (*router._named.values(), *router._under.values()):
        for tree in trees:
            counted(tree)
    Counting.asked = 0

    found = router.find(b"www.shop.example", b"/api/part-7/orders/17")

    assert found == 7
    assert Counting.asked == 5


def test_a_long_path_is_walked_no_further_than_the_rules_go():
    tree = Node()
    tree.put(b"/a", 1)
    counted(tree)
    Counting.asked = 0

    found = tree.find(b"/a" * 8000)

    assert found == 1
    assert Counting.asked == 1


def test_a_name_has_one_form():
    assert {hostname(host) for host in (b"A.b", b"a.B:1", b"a.b.", b"a.b.:2")} == {b"a.b"}

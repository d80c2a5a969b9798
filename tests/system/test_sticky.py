import pytest
from pydantic import ValidationError

from mainstay.system.check import check
from mainstay.system.schema import Service
from mainstay.system.sticky import By, Sticky


def findings(tmp_path, **keys):
    service = Service(command="true", **keys)
    return [(path[2:], message) for path, message in check({"web": service}, ["web"], [], tmp_path)]


@pytest.mark.parametrize(
    ("written", "by"),
    [
        ("session", By("session")),
        ("client", By("client")),
        ("path", By("path")),
        ("header X-User", By("header", "x-user")),
        ("cookie SID", By("cookie", "SID")),
    ],
)
def test_requests_belong_together_by_one_thing(written, by):
    assert Sticky(by=written).by == by


@pytest.mark.parametrize(
    "written", ["", "header", "header ", "header  x", "header a b", "cookie a;b", "Session", 7, None, "ip"]
)
def test_anything_else_is_told_with_what_is_allowed(written):
    with pytest.raises(ValidationError, match="allowed: session, client, path, header NAME or cookie NAME"):
        Sticky(by=written)


def test_a_cookie_has_a_name_that_a_cookie_may_have():
    with pytest.raises(ValidationError, match="'a b' is not the name of a cookie"):
        Sticky(by="session", cookie="a b")


def test_only_a_session_has_a_cookie_of_ours(tmp_path):
    sticky = {"by": "header X-User", "cookie": "a", "lasts": "1h", "same_site": "none"}

    told = findings(tmp_path, listen="http://127.0.0.1:80", sticky=sticky)

    assert told == [
        (("sticky", key), "is for `by: session`, where the gateway sets a cookie, not for header x-user")
        for key in ("cookie", "lasts", "same_site")
    ]


def test_a_cookie_lasts_whole_seconds(tmp_path):
    told = findings(tmp_path, listen="http://127.0.0.1:80", sticky={"by": "session", "lasts": "500ms"})

    assert told == [
        (("sticky", "lasts"), "must be 0 or at least 1s: cookies count whole seconds (RFC 6265 §5.2.2)")
    ]


def test_what_takes_no_requests_ties_none(tmp_path):
    assert findings(tmp_path, sticky={"by": "client"}) == [
        (("sticky",), "means nothing without `listen`: no requests come here")
    ]


def test_it_is_off_unless_told_and_may_be_told_so():
    assert Service(command="true").sticky is None
    assert Service(command="true", sticky="off").sticky is None

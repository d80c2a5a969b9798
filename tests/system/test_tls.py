"""TLS in the system file: what is wrong with it is told at once, each with its place."""

import pytest

from mainstay.base.errors import SystemFileError
from mainstay.system.load import load
from pki import Authority


@pytest.fixture
def site(tmp_path):
    """Give a folder with certificates, and a way to load a system file in it."""
    ca = Authority(tmp_path)
    for name in ("shop.example", "pay.example"):
        ca.issue(name, into=name.partition(".")[0])
    ca.issue("shop.example", "pay.example", into="both")
    (tmp_path / "notes.txt").write_text("nothing of use")
    file = tmp_path / "mainstay.yaml"

    def loaded(text):
        file.write_text(text)
        return load(file, {})

    def wrong(text):
        with pytest.raises(SystemFileError) as refused:
            loaded(text)
        return [line.removeprefix(f"{file}:").replace(f"{tmp_path}/", "") for line in refused.value.lines()]

    loaded.wrong = wrong
    return loaded


def own(tls, listen="https://127.0.0.1:8443"):
    return f"services:\n  web:\n    command: run\n    listen: {listen}\n    tls: {tls}\n"


def shared(tls, at="https://127.0.0.1:8443"):
    return (
        f"listeners:\n  edge:\n    at: {at}\n    tls: {tls}\n"
        "services:\n  web: { command: run, listen: edge }\n"
    )


def test_what_is_not_told_is_safe(site):
    tls = site(own("{ cert: shop.crt, key: shop.key }")).services["web"].tls

    assert tls.min_version == "1.2"
    assert tls.client_ca is None
    assert tls.client_auth == "required"
    assert tls.hsts is None
    assert tls.handshake_timeout == 10


def test_both_forms_say_the_same(site):
    keys = "{ cert: shop.crt, key: shop.key, min_version: 1.3, hsts: 30d }"

    mine, ours = site(own(keys)).openings()["web"], site(shared(keys)).openings()["edge"]

    assert mine.entrance.tls == ours.entrance.tls
    assert mine.entrance.tls.hsts == 30 * 86400


@pytest.mark.parametrize("written", ["1.2", "1.3", "'1.2'", '"1.3"'])
def test_a_version_is_a_number_or_a_word(site, written):
    tls = site(own(f"{{ cert: shop.crt, key: shop.key, min_version: {written} }}")).services["web"].tls

    assert tls.min_version == written.strip("'\"")


@pytest.mark.parametrize("written", ["1.1", "1.0", "2", "TLSv1.2", "true"])
def test_other_versions_are_refused(site, written):
    (line,) = site.wrong(own(f"{{ cert: shop.crt, key: shop.key, min_version: {written} }}"))

    assert "services.web.tls.min_version: found" in line
    assert line.endswith("allowed: 1.2, 1.3")


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        ("{}", ["5:10: services.web.tls: needs cert and key, or certificates"]),
        ("{ cert: shop.crt }", ["5:18: services.web.tls.cert: is of no use without key"]),
        ("{ key: shop.key }", ["5:17: services.web.tls.key: is of no use without cert"]),
        (
            "{ cert: no.crt, key: shop.key }",
            ["5:18: services.web.tls.cert: no such file: no.crt"],
        ),
        (
            "{ cert: shop.crt, key: pay.key }",
            [
                (
                    "5:33: services.web.tls.key: does not belong to the certificate, "
                    "which is the first one in cert"
                )
            ],
        ),
        (
            "{ cert: shop.crt, key: notes.txt }",
            ["5:33: services.web.tls.key: has no private key in PEM form: notes.txt"],
        ),
        (
            "{ certificates: [{ cert: shop.crt, key: pay.key }, { cert: no.crt, key: pay.key }] }",
            [
                (
                    "5:50: services.web.tls.certificates[0].key: does not belong to the certificate, "
                    "which is the first one in cert"
                ),
                "5:69: services.web.tls.certificates[1].cert: no such file: no.crt",
            ],
        ),
        (
            "{ cert: shop.crt, key: shop.key, certificates: [{ cert: pay.crt, key: pay.key }] }",
            [
                "5:57: services.web.tls.certificates: stand in place of cert and key: there is one or the other"
            ],
        ),
        (
            "{ certificates: [{ cert: both.crt, key: both.key }, { cert: pay.crt, key: pay.key }] }",
            [
                (
                    "5:62: services.web.tls.certificates[1]: would never be shown: certificates[0] is for all names "
                    "that it is for, and comes first"
                )
            ],
        ),
        (
            "{ cert: shop.crt, key: shop.key, client_ca: notes.txt }",
            ["5:54: services.web.tls.client_ca: has no certificate in PEM form: notes.txt"],
        ),
        (
            "{ cert: shop.crt, key: shop.key, client_auth: optional }",
            [
                (
                    "5:56: services.web.tls.client_auth: needs client_ca: the authorities whose certificates "
                    "clients have to show"
                )
            ],
        ),
        (
            "{ cert: shop.crt, key: shop.key, client_ca: ca.pem, client_auth: maybe }",
            ["5:75: services.web.tls.client_auth: found 'maybe', allowed: required, optional"],
        ),
        (
            "{ cert: shop.crt, key: shop.key, keys: shop.key }",
            [
                (
                    "5:43: services.web.tls.keys: unknown key; did you mean key? allowed: cert, key, certificates, "
                    "min_version, client_ca, client_auth, hsts, handshake_timeout"
                )
            ],
        ),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(site, tls, told):
    assert site.wrong(own(tls)) == told


def test_all_is_told_at_once_with_everything_else(site):
    text = (
        "listeners:\n"
        "  edge: { at: 'https://127.0.0.1:8443', tls: { cert: no.crt, key: shop.key }, redirekt: https }\n"
        "services:\n"
        "  web: { command: run, listen: edge, instances: 0 }\n"
        "  pay: { addresses: [https://a.example], listen: http://127.0.0.1:1, upstream_tls: { ca: no.pem } }\n"
    )

    assert [line.partition(": ")[2] for line in site.wrong(text)] == [
        "listeners.edge.tls.cert: no such file: no.crt",
        "listeners.edge.redirekt: unknown key; did you mean redirect? allowed: at, tls, proxy_protocol, redirect, redirects",
        "services.web.instances: must be from 1 to 1000, not 0",
        "services.pay.upstream_tls.ca: no such file: no.pem",
    ]


def test_https_needs_a_certificate_and_http_has_no_use_for_one(site):
    needs = "needs a certificate: name its files with `tls`, as `cert` and `key`"
    keys = "{ cert: shop.crt, key: shop.key }"

    (lacks,) = site.wrong("services:\n  web: { command: run, listen: 'https://127.0.0.1:1' }\n")
    (bare,) = site.wrong(
        "listeners: { e: { at: 'https://127.0.0.1:1' } }\nservices: { a: { command: r, listen: e } }"
    )
    (useless,) = site.wrong(own(keys, "http://127.0.0.1:80"))
    (raw,) = site.wrong(shared(keys, "tcp://127.0.0.1:80"))

    assert lacks.endswith(f"services.web.listen: https://127.0.0.1:1 {needs}")
    assert bare.endswith(f"listeners.e.at: https://127.0.0.1:1 {needs}")
    assert useless.endswith("services.web.tls: means nothing at http://127.0.0.1:80: write https://")
    assert raw.endswith("listeners.edge.tls: means nothing at tcp://127.0.0.1:80: write https://")


def test_certificates_stand_where_the_listener_is(site):
    (line,) = site.wrong(
        "listeners: { edge: { at: 'http://127.0.0.1:1' } }\n"
        "services: { web: { command: run, listen: edge, tls: { cert: shop.crt, key: shop.key } } }\n"
    )

    assert line.endswith(
        "services.web.tls: only a listener of its own has certificates: put it under listeners.edge"
    )


@pytest.mark.parametrize("written", ["http", "https:0", "https:70000", "https:", "off", "https://a"])
def test_a_redirect_leads_to_https(site, written):
    lines = site.wrong(
        f"listeners: {{ plain: {{ at: 'http://127.0.0.1:1', redirect: '{written}' }} }}\n"
        "services: { web: { command: run } }\n"
    )

    assert f"redirect: found '{written}', allowed: https, or https:PORT, as in https:8443" in lines[0]


def test_a_listener_that_only_redirects_needs_no_service(site):
    system = site(
        "listeners: { plain: { at: 'http://127.0.0.1:1', redirect: 'https:8443' } }\n"
        "services: { web: { command: run } }\n"
    )

    assert system.listeners["plain"].redirect == 8443


@pytest.mark.parametrize("routes", ["[]", "[{ path: / }]"])
def test_a_service_must_leave_something_to_be_redirected(site, routes):
    (line,) = site.wrong(
        "listeners: { plain: { at: 'http://127.0.0.1:1', redirect: https } }\n"
        f"services: {{ web: {{ command: run, listen: plain, routes: {routes} }} }}\n"
    )

    assert line.endswith("takes every request of listeners.plain, so that none is left to be sent to https")


@pytest.mark.parametrize("at", ["https://127.0.0.1:1", "tcp://127.0.0.1:1"])
def test_only_http_leads_to_https(site, at):
    tls = ", tls: { cert: shop.crt, key: shop.key }" if at.startswith("https") else ""

    lines = site.wrong(
        f"listeners: {{ edge: {{ at: '{at}', redirect: https{tls} }} }}\nservices: {{ web: {{ command: run }} }}\n"
    )

    assert lines[0].endswith(
        f"listeners.edge.redirect: means nothing at {at}: only http:// leads to https://"
    )


# --- to instances ---


def to(upstream, rest="addresses: [https://a.example], listen: 'http://127.0.0.1:1'"):
    return f"services:\n  pay: {{ {rest}, upstream_tls: {upstream} }}\n"


def test_addresses_of_https_are_verified_unless_told_otherwise(site):
    service = site(
        "services: { a: { addresses: [https://A.example], listen: 'http://127.0.0.1:1' } }"
    ).services["a"]
    (address,) = service.addresses

    assert (address.port, address.authority) == (443, "A.example")
    assert service.upstream_tls is None
    assert service.server_name(address) == "A.example"


def test_a_name_may_be_told_for_all_instances(site):
    system = site(
        "services:\n"
        "  pay: { addresses: [https://1.2.3.4, http://b.example], listen: 'http://127.0.0.1:1', "
        "upstream_tls: { server_name: pay.example } }\n"
        "  web: { command: run, listen: 'http://127.0.0.1:2', upstream_tls: {} }\n"
    )
    pay, web = system.services["pay"], system.services["web"]

    assert [pay.server_name(address) for address in pay.addresses] == ["pay.example", ""]
    assert web.server_name() == "localhost"
    assert web.upstream_tls.verify


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (to("{ ca: no.pem }"), "services.pay.upstream_tls.ca: no such file: no.pem"),
        (to("{ cert: shop.crt }"), "services.pay.upstream_tls.cert: is of no use without key"),
        (
            to("{ cert: shop.crt, key: pay.key }"),
            "services.pay.upstream_tls.key: does not belong to the certificate, which is the first one in cert",
        ),
        (to("{ verify: off, ca: ca.pem }"), "services.pay.upstream_tls.ca: means nothing with verify off"),
        (to("{ verify: no }"), "services.pay.upstream_tls.verify: found 'no', allowed: on, off"),
        (
            to("{ server_name: A_b }"),
            (
                "services.pay.upstream_tls.server_name: 'A_b' is not a name: write it in small letters, "
                "as in pay.example"
            ),
        ),
        (
            to("{}", "addresses: [http://a.example], listen: 'http://127.0.0.1:1'"),
            "services.pay.upstream_tls: means nothing without an address of https://",
        ),
        (
            to("{}", "command: run, listen: 'tcp://127.0.0.1:1'"),
            "services.pay.upstream_tls: means nothing with a tcp:// listener, whose bytes are passed on as they are",
        ),
    ],
)
def test_what_cannot_be_believed_is_told_with_its_place(site, text, told):
    (line,) = site.wrong(text)

    assert line.partition(": ")[2] == told

"""Listeners that several services share, and which requests are whose."""

from typing import Annotated, NamedTuple

from pydantic import Field

from mainstay.system.listener import Listen, Listener
from mainstay.system.mechanism import Section
from mainstay.system.pattern import Elsewhere, HostPattern, PathPrefix, RedirectStatus
from mainstay.system.tls import Tls, ToHttps
from mainstay.system.value import OneOf, Switch


class Redirect(Section):
    """Requests that are answered with another place to ask."""

    host: HostPattern | None = None
    """The host that is asked for, as in a route. Every host unless told."""

    path: PathPrefix | None = None
    """What the path begins with, as in a route. Every path unless told."""

    to: Elsewhere
    """Where the client is sent: a URL, or a path of the same host."""

    keep: Switch = True
    """Whether the rest of the path and the query go with it: `/old/a?b` that is sent to `/new` becomes
    `/new/a?b`. On, so that links to single pages of what has moved go on working."""

    status: RedirectStatus = 307
    """301 and 308 are for good: browsers remember them, some for ever. 302 and 307 are for now. 307 and 308
    repeat the request as it was, after 301 and 302 a POST becomes a GET. By default what can be taken back."""


class Entrance(Section):
    """A listener that services share by its name; `routes` of each say which requests are its."""

    at: Listen
    """The address that clients use."""

    tls: Tls | None = None
    """Certificates, for an address of `https://`."""

    proxy_protocol: Switch = False
    """Whether every connection begins with the PROXY protocol, version 1 or 2, by which a load balancer says whose
    it is; before TLS. Only `gateway.trusted_proxies` are let in then. Off by default: nobody else speaks it."""

    redirect: ToHttps | None = None
    """`https`, or `https:PORT` where clients reach it on a port other than 443: what is for nobody here is sent to
    the same host, path and query there, with 308. Only for `http://`; without it, such requests get 404."""

    redirects: list[Redirect] = Field(default_factory=list, max_length=10_000)
    """Requests that are sent elsewhere. They stand beside the services' routes: the most exact one counts."""


class ServiceRoute(Section):
    """Requests that a service takes of those that come to a shared listener."""

    host: HostPattern | None = None
    """The host that is asked for; `*.shop.example` is every host that ends in `.shop.example`. The exact one
    comes before wildcards, and longer ones before shorter ones. Every host unless told."""

    path: PathPrefix | None = None
    """What the path begins with, by whole segments: `/api` takes `/api` and `/api/users`, not `/apiary`. Of one
    host, the longest comes first. Every path unless told."""

    priority: Annotated[str, OneOf("high", "normal", "low")] = "normal"
    """Who goes first when there is more to do than the service [can do](#servicesnameconcurrency): `high` before
    `normal`, and `normal` before `low`."""

    rewrite: PathPrefix | None = None
    """What an instance gets in place of `path`: with `/`, `/api/users` becomes `/users`. It is told what was
    taken away as `X-Forwarded-Prefix`. Unless told, it gets the path that the client asked for."""


class Opening(NamedTuple):
    """A listening socket that a system needs."""

    listener: Listener
    """Where."""
    key: str
    """The key of the system file that says so."""
    entrance: Entrance
    """How its traffic is taken."""

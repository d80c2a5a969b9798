"""Listeners that several services share, and which requests are whose."""

from typing import NamedTuple

from mainstay.system.listener import Listen, Listener
from mainstay.system.mechanism import Section, UrlPath
from mainstay.system.value import HostName


class Entrance(Section):
    """A listener that services share by its name; `routes` of each say which requests are its."""

    at: Listen
    """The address that clients use."""


class ServiceRoute(Section):
    """Requests that a service takes of those that come to a shared listener."""

    host: HostName | None = None
    """The host that is asked for. Every host unless told."""

    path: UrlPath | None = None
    """What the path begins with, by whole segments: `/api` takes `/api` and `/api/users`, not `/apiary`. Every
    path unless told."""


class Opening(NamedTuple):
    """A listening socket that a system needs."""

    listener: Listener
    """Where."""
    key: str
    """The key of the system file that says so."""
    entrance: Entrance
    """How its traffic is taken."""

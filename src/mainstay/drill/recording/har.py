"""HAR files (HTTP Archive 1.2): what a browser asked while somebody used the pages."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from mainstay.base.errors import SpecError
from mainstay.drill.recording.recorded import BAD, Collection, Recording

_KEPT = ("accept", "accept-language", "accept-encoding")
"""Headers that are sent again. Cookies and credentials are not: they are somebody's, and of that day."""


def read_har(content: dict[str, Any]) -> Recording:
    """Give the requests of a HAR file that went to the host of its first one.

    Pages ask other people's hosts for fonts and counters; a load must not go there, and our gateway does not
    know their paths.

    Raises:
        SpecError: it has no list of entries.
    """
    log = content.get("log")
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise SpecError("a HAR file has a list of `entries` in its `log`")
    found = Collection()
    own = None
    for method, url, headers, status in _requests(entries):
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
        except ValueError:
            found.leave(method, "", "has no URL")
            continue
        own = host if own is None else own
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if parts.scheme not in ("http", "https"):
            found.leave(method, path, "is not HTTP")
        elif host != own:
            found.leave(method, path, f"is for another host than {own[:100]}, which comes first")
        elif not 0 < status < BAD:
            found.leave(method, path, "had no good answer")
        else:
            found.take(method, path, headers, host=host)
    return found.recording()


def _requests(entries: list[Any]) -> Iterator[tuple[str, str, list[tuple[str, str]], int]]:
    for entry in entries:
        request = entry.get("request") if isinstance(entry, dict) else None
        response = entry.get("response") if isinstance(entry, dict) else None
        if not isinstance(request, dict) or not isinstance(response, dict):
            continue
        method, url, status = request.get("method"), request.get("url"), response.get("status")
        if isinstance(method, str) and isinstance(url, str) and isinstance(status, int):
            yield method, url, _headers(request.get("headers")), status


def _headers(written: object) -> list[tuple[str, str]]:
    kept: dict[str, tuple[str, str]] = {}
    for each in written if isinstance(written, list) else []:
        name, value = (each.get("name"), each.get("value")) if isinstance(each, dict) else (None, None)
        if isinstance(name, str) and isinstance(value, str) and name.lower() in _KEPT:
            kept[name.lower()] = (name, value)
    return list(kept.values())

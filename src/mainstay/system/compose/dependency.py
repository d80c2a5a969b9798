"""Which services an environment names: `REDIS_URL: redis://cache:6379` names `cache`."""

import re
from collections.abc import Collection, Iterator, Mapping

_SUFFIX = re.compile(
    r"(?:^|_)(?:HOSTS?|HOSTNAME|URLS?|URI|ADDR|ADDRESS(?:ES)?|SERVERS?|ENDPOINTS?|DSN|BROKERS?|NODES?|UPSTREAMS?)$"
)
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]*://([^/?#\s]*)")
_PLACE = re.compile(r"([A-Za-z0-9._-]+)(:[0-9]{1,5})?(?:/\S*)?")
_LONGEST = 10_000


def named(environment: Mapping[str, str], services: Collection[str]) -> dict[str, str]:
    """Give each service that is named, with the first variable that names it."""
    found: dict[str, str] = {}
    for variable, value in environment.items():
        hint = bool(_SUFFIX.search(variable.upper()))
        for host in _hosts(value[:_LONGEST], hint=hint):
            if host in services:
                found.setdefault(host, variable)
    return found


def _hosts(value: str, *, hint: bool) -> Iterator[str]:
    """Give the hosts in a value. A word alone is one only where the variable's name says so."""
    if "://" in value:
        for match in _AUTHORITY.finditer(value):
            for each in match[1].rpartition("@")[2].split(","):
                yield each.partition(":")[0]
        return
    for each in re.split(r"[,;\s]+", value):
        place = _PLACE.fullmatch(each)
        if place and (hint or place[2]):
            yield place[1]

"""Who is told when an error budget burns, as the system file tells it."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, PlainValidator, WithJsonSchema, model_validator

from mainstay.reliability.burn import SEVERITIES
from mainstay.system.command import Command
from mainstay.system.listener import is_host
from mainstay.system.mechanism import Section
from mainstay.system.value import Duration, OneOf, Whole, shown, wrong

EVERYTHING = "all"
_KINDS = ("webhook", "command", "alertmanager")
_URL = re.compile(r"https?://[!-~]+")
_LONGEST_PATIENCE = 60.0


def _url(written: object) -> str:
    how = "write http://HOST:PORT/PATH or https://HOST/PATH"
    # A URL may hold a secret, so that it is never repeated.
    if not isinstance(written, str) or not _URL.fullmatch(written):
        raise wrong(f"is not an address of the web: {how}")
    try:
        parts = urlsplit(written)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong(f"has no port that can be: {how}") from None
    if not port_is_one or not parts.hostname or not is_host(parts.hostname):
        raise wrong(f"has no host that can be: {how}")
    if parts.username is not None or parts.fragment:
        raise wrong(f"must have neither a user nor a #: {how}")
    return written


def _patience(written: float) -> float:
    if written > _LONGEST_PATIENCE:
        raise wrong(f"must be at most {_LONGEST_PATIENCE:.0f}s: others wait to be told")
    return written


Url = Annotated[
    str,
    PlainValidator(_url),
    WithJsonSchema({"type": "string", "pattern": f"^{_URL.pattern}$"}),
]
"""An address of the web."""


class Destination(Section):
    """Somebody who is told: one of `webhook`, `command` and `alertmanager`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in _KINDS]})

    webhook: Url | None = None
    """An address that gets each alert as JSON, by POST. It may hold a token; it is never told to anybody else."""

    command: Command = None
    """A command that is run for each alert, with the alert as JSON on its standard input, in the system file's folder. It is told by its
    exit code whether that was well."""

    alertmanager: Url | None = None
    """The address of an Alertmanager of Prometheus, as in `http://alertmanager:9093`; `/api/v2/alerts` is added. It is told again every
    minute for as long as an alert lasts, as it wants it."""

    severity: Annotated[str, OneOf(EVERYTHING, *SEVERITIES)] = EVERYTHING
    """Which alerts it gets: `page`, so urgent that somebody is woken; `ticket`, for the next day; `all` by default."""

    timeout: Annotated[Duration, AfterValidator(_patience)] = 10.0
    """How long one attempt may take. Ten seconds: who has not answered by then is asked again."""

    attempts: Annotated[int, Whole(1, 10)] = 5
    """How often it is tried, with pauses of 1s, 2s, 4s and so on. Five span a short restart of who is told; then that it was not told is a
    fact of its own."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "Destination":
        found = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(found) != 1:
            raise wrong(f"must have one of {', '.join(_KINDS)}; it has {' and '.join(found) or 'none'}")
        return self

    def wants(self, severity: str) -> bool:
        """Tell whether it gets alerts of a severity."""
        return self.severity in (EVERYTHING, severity)

    @property
    def name(self) -> str:
        """What it is called for people: without what may be a secret."""
        if self.command is not None:
            word = self.command if isinstance(self.command, str) else self.command[0]
            return f"command {shown(word.split(maxsplit=1)[0])}"
        kind, url = ("webhook", self.webhook) if self.webhook else ("alertmanager", self.alertmanager or "")
        parts = urlsplit(url)
        return f"{kind} {parts.scheme}://{parts.netloc}"

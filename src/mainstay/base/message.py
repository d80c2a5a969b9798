"""How a request is written, for all who have one to send: what may stand in its first line and in its headers."""

import re

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing, by their definition (RFC 9110 §9.2.1). TRACE is left out: hardly anybody allows it."""
NEVER = ("CONNECT", "TRACE")
"""Methods that ask for something else than an answer of a service."""
METHOD_PATTERN = r"[A-Z]{1,32}"
PATH_PATTERN = r"/[!-~]{0,8191}"
"""Path and query: printable ASCII, others are written as %XX (RFC 3986 §2.1)."""
NAME_PATTERN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}"
"""The name of a header (RFC 9110 §5.1)."""
VALUE_PATTERN = r"(?:[!-~](?:[ \t!-~]{0,8190}[!-~])?)?"
"""The value of a header: printable ASCII (RFC 9110 §5.5)."""
FRAMING = frozenset(
    {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers, in small letters, that say how a message is sent, and not what is asked (RFC 9110 §7.6.1, §10.1.1)."""

METHOD = re.compile(METHOD_PATTERN)
PATH = re.compile(PATH_PATTERN)
NAME = re.compile(NAME_PATTERN)
VALUE = re.compile(VALUE_PATTERN)

ID = "{id}"
"""In path, headers and body of a request of a load: the id of that very request."""

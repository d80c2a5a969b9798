"""What is asked of a gateway: the cases, each by the bytes of its request."""

from dataclasses import dataclass

TINY = "x" * 42
HEADERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Cache-Control: no-cache",
    "Cookie: session=6f1c0d3b2a; theme=dark; consent=yes; _ga=GA1.2.1234567890.1234567890",
    "Referer: https://shop.example/catalogue/ropes?page=2",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "X-Request-Id: 0b0f6e0e-7a5c-4a1e-9a55-0d0f0e0a0b0c",
)
"""A browser's; with `Host` they are twelve."""
PLAIN = "plain"
SECURE = "secure"
RAW = "raw"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of request."""

    title: str
    path: str = "/"
    headers: tuple[str, ...] = HEADERS
    body: int = 0
    """Bytes that are sent."""
    fresh: bool = False
    """Each request has a connection of its own."""
    door: str = PLAIN
    """Which listener of the proxy it goes to."""

    def lines(self) -> tuple[str, ...]:
        """Give the headers without `Host`."""
        return (*self.headers, "Connection: close") if self.fresh else self.headers

    def method(self) -> str:
        """Give the method."""
        return "POST" if self.body else "GET"

    def wire(self, port: int) -> bytes:
        """Give the whole request."""
        lines = [f"{self.method()} {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *self.lines()]
        if self.body:
            lines.append(f"Content-Length: {self.body}")
        return "\r\n".join([*lines, "", ""]).encode() + b"x" * self.body


CASES: dict[str, Case] = {
    "get12": Case(title="GET, 42 B, 12 headers"),
    "get2": Case(title="GET, 42 B, 2 headers", headers=("Accept: */*",)),
    "8kib": Case(title="GET, 8 KiB", path="/8k"),
    "1mib": Case(title="GET, 1 MiB", path="/1m"),
    "new": Case(title="a new connection for each", fresh=True),
    "post": Case(title="POST of 8 KiB", path="/post", body=8192),
    "tls": Case(title="TLS, kept alive", door=SECURE),
    "tlsnew": Case(title="TLS, a new handshake for each", door=SECURE, fresh=True),
}
RELAY = Case(title="TCP relay, 1 MiB", path="/1m", door=RAW)
"""The same megabytes through a relay that does not look into them."""

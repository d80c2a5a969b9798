"""HAProxy: active checks, redispatch and retries of what failed before or without an answer; Prometheus built in."""

from benchmarks.gateway.proxy import Place

DOORS = ("plain", "secure", "raw")
VERSION = ("-v",)
CONFIG = """\
global
  maxconn 16000
  nbthread 1
  no strict-limits
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 500ms
  timeout client 60s
  timeout server 2s
  timeout http-request 10s
  timeout http-keep-alive 75s
  timeout check 500ms
  option redispatch 1
  retries 3
  retry-on conn-failure empty-response response-timeout 503
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:{plain} backlog 4096
  bind 127.0.0.1:{secure} backlog 4096 ssl crt {cert} alpn http/1.1
  default_backend o
backend o
  balance random(2)
  option httpchk GET /
  default-server check inter 1s fall 2 rise 1
{servers}
frontend metrics
  bind 127.0.0.1:{admin}
  http-request use-service prometheus-exporter if {{ path /metrics }}
listen r
  mode tcp
  timeout client 60s
  timeout server 60s
  bind 127.0.0.1:{raw} backlog 4096
  balance leastconn
  default-server check inter 1s fall 2 rise 1
{servers}
"""


def configure(place: Place) -> list[str]:
    """Write the configuration, and give the arguments."""
    file = place.folder / "haproxy.cfg"
    file.write_text(
        CONFIG.format(
            servers="\n".join(f"  server s{o} 127.0.0.1:{o}" for o in place.origins),
            cert=place.cert,
            plain=place.plain,
            secure=place.secure,
            raw=place.raw,
            admin=place.admin,
        )
    )
    return ["-f", str(file)]

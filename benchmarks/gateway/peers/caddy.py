"""Caddy: active and passive checks, retries, metrics of its servers; it has no TCP relay without a plug-in."""

from benchmarks.gateway.proxy import Place

DOORS = ("plain", "secure")
VERSION = ("version",)
CONFIG = """\
{{
  admin 127.0.0.1:{admin}
  auto_https off
  log {{
    level ERROR
  }}
  servers {{
    metrics
    protocols h1
    timeouts {{
      read_header 10s
      idle 75s
    }}
  }}
}}
(all) {{
  reverse_proxy {servers} {{
    lb_policy random_choose 2
    lb_retries 2
    lb_try_duration 2s
    health_uri /
    health_interval 1s
    health_timeout 500ms
    fail_duration 1s
    transport http {{
      dial_timeout 500ms
      response_header_timeout 2s
      keepalive_idle_conns_per_host 64
    }}
  }}
}}
http://:{plain} {{
  bind 127.0.0.1
  import all
}}
https://:{secure} {{
  bind 127.0.0.1
  tls {cert} {cert}
  import all
}}
"""


def configure(place: Place) -> list[str]:
    """Write the configuration, and give the arguments."""
    file = place.folder / "Caddyfile"
    file.write_text(
        CONFIG.format(
            servers=" ".join(f"127.0.0.1:{o}" for o in place.origins),
            cert=place.cert,
            plain=place.plain,
            secure=place.secure,
            admin=place.admin,
        )
    )
    return ["run", "--adapter", "caddyfile", "--config", str(file)]

"""Caddy: active and passive checks; a GET goes elsewhere after a failure of any kind, a POST only if it was not sent.

It does not retry bad answers, but leaves out who gives them. One process, which reloads.
"""

import subprocess

from benchmarks.survival.system import Site

CONFIG = """\
{{
  admin 127.0.0.1:{admin}
  auto_https off
  log {{
    level ERROR
  }}
  servers {{
    protocols h1
    timeouts {{
      read_header 10s
      idle {idle}s
    }}
  }}
}}
http://:{port} {{
  bind 127.0.0.1
  reverse_proxy {servers} {{
    lb_policy least_conn
    lb_retries 3
    lb_try_duration 5s
    lb_try_interval 20ms
    health_uri /healthz
    health_interval 1s
    health_timeout 500ms
    fail_duration 1s
    max_fails 1
    unhealthy_status 5xx
    transport http {{
      dial_timeout 500ms
      response_header_timeout 1s
      keepalive_idle_conns_per_host 64
    }}
  }}
}}
"""


def configure(site: Site, turn: int) -> list[str]:
    """Write the configuration, and give the arguments."""
    file = site.folder / "Caddyfile"
    servers = " ".join(f"127.0.0.1:{port}" for port in site.instances)
    file.write_text(CONFIG.format(servers=servers, port=site.port, admin=site.admin, idle=75 + turn))
    return ["run", "--adapter", "caddyfile", "--config", str(file)]


def reload(program: str, arguments: list[str], pid: int, site: Site) -> None:
    """Have it read its file, as its command does."""
    del pid
    words = [program, "reload", *arguments[1:], "--address", f"127.0.0.1:{site.admin}"]
    subprocess.run(words, check=True, capture_output=True, cwd=site.folder, timeout=20)

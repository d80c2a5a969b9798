"""HAProxy: checks, redispatch, retries of GETs after a failure of any kind, `observe layer7`; a master that reloads."""

import os
import signal

from benchmarks.survival.system import Site

CONFIG = """\
global
  maxconn 8000
  no strict-limits
  stats socket {dir}/admin.sock mode 600 level admin expose-fd listeners
defaults
  mode http
  timeout connect 500ms
  timeout client 60s
  timeout server 1s
  timeout http-request 10s
  timeout http-keep-alive {keepalive}s
  timeout check 500ms
  timeout queue 2s
  option redispatch 1
  retries 3
  retry-on conn-failure empty-response response-timeout 500 502 503 504
frontend f
  bind 127.0.0.1:{port} backlog 4096
  default_backend o
backend o
  balance leastconn
  option httpchk GET /healthz
  http-request disable-l7-retry if METH_POST
  default-server check inter 1s fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down
{servers}
"""


def configure(site: Site, turn: int) -> list[str]:
    """Write the configuration, and give the arguments."""
    file = site.folder / "haproxy.cfg"
    servers = "\n".join(f"  server s{port} 127.0.0.1:{port}" for port in site.instances)
    file.write_text(CONFIG.format(dir=site.folder, port=site.port, servers=servers, keepalive=75 + turn))
    return ["-W", "-f", str(file)]


def reload(program: str, arguments: list[str], pid: int, site: Site) -> None:
    """Have the master start a new worker, and the old one finish."""
    del program, arguments, site
    os.kill(pid, signal.SIGUSR2)

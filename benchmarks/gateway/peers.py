"""The proxies under test, each with the same features on: active checks each second, retries, timeouts.

Each is configured with one worker, access log off, kept-alive connections to the origins, and what its own
documentation recommends for failover. `start` gives the processes whose CPU time is the proxy's.
"""

import contextlib
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

ORIGINS = 3

NGINX = """\
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log error;
events {{ worker_connections 20000; }}
http {{
  access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  keepalive_requests 1000000;
  upstream o {{ {servers} keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_connect_timeout 500ms; proxy_read_timeout 2s; proxy_next_upstream error timeout http_503;
      proxy_next_upstream_tries 3; proxy_buffering on;
    }}
  }}
}}
"""
HAPROXY = """\
global
  maxconn 8000
  nbthread 1
defaults
  mode http
  timeout connect 500ms
  timeout client 60s
  timeout server 2s
  timeout check 500ms
  option redispatch 1
  retries 3
  retry-on conn-failure empty-response response-timeout 503
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:{port} backlog 4096
  default_backend o
backend o
  balance random(2)
  option httpchk GET /
  default-server check inter 1s fall 2 rise 1
{servers}
"""
CADDY = """\
{{
  admin off
  auto_https off
  log {{
    level ERROR
  }}
}}
http://127.0.0.1:{port} {{
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
"""
ENVOY = """\
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }} }}
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          use_remote_address: true
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{ prefix: / }}
                route:
                  cluster: o
                  timeout: 10s
                  retry_policy:
                    retry_on: connect-failure,refused-stream,reset,gateway-error
                    num_retries: 2
                    per_try_timeout: 2s
  clusters:
  - name: o
    type: STATIC
    connect_timeout: 0.5s
    lb_policy: LEAST_REQUEST
    circuit_breakers: {{ thresholds: [{{ max_connections: 20000, max_pending_requests: 20000, max_requests: 20000, max_retries: 1000 }}] }}
    health_checks:
    - {{ timeout: 0.5s, interval: 1s, unhealthy_threshold: 2, healthy_threshold: 1, http_health_check: {{ path: / }} }}
    outlier_detection: {{ consecutive_5xx: 5 }}
    load_assignment:
      cluster_name: o
      endpoints:
      - lb_endpoints:
{servers}
"""
TRAEFIK = """\
entryPoints:
  web: {{ address: "127.0.0.1:{port}" }}
providers:
  file: {{ filename: {dir}/dynamic.yaml }}
log: {{ level: ERROR }}
"""
TRAEFIK_DYNAMIC = """\
http:
  routers:
    r: {{ rule: "PathPrefix(`/`)", service: o, middlewares: [again] }}
  middlewares:
    again: {{ retry: {{ attempts: 3 }} }}
  services:
    o:
      loadBalancer:
        strategy: p2c
        healthCheck: {{ path: /, interval: 1s, timeout: 500ms }}
        servers:
{servers}
"""


@dataclass
class Proxy:
    """One proxy that runs."""

    name: str
    pids: list[int]
    stop: list[subprocess.Popen[bytes]] = field(default_factory=list)
    folder: Path | None = None

    def close(self) -> None:
        """End it."""
        for process in self.stop:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            if process.poll() is None:
                process.kill()
                process.wait()


def found() -> dict[str, str]:
    """Give the peers that this machine has, with their programs."""
    near = Path(sys.executable).parent
    programs = {}
    for name in ("nginx", "haproxy", "envoy", "traefik", "caddy"):
        where = shutil.which(name) or shutil.which(name, path=str(near)) or shutil.which(f"/usr/sbin/{name}")
        if where:
            programs[name] = where
    return programs


def start(name: str, program: str, folder: Path, port: int, origins: list[int]) -> Proxy:
    """Start a peer in front of the origins."""
    folder.mkdir()
    file = folder / "conf"
    many = {
        "nginx": " ".join(f"server 127.0.0.1:{o} max_fails=1 fail_timeout=1s;" for o in origins),
        "haproxy": "\n".join(f"  server s{o} 127.0.0.1:{o}" for o in origins),
        "caddy": " ".join(f"127.0.0.1:{o}" for o in origins),
        "envoy": "\n".join(
            f"        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {o} }} }} }}"
            for o in origins
        ),
        "traefik": "\n".join(f'          - {{ url: "http://127.0.0.1:{o}" }}' for o in origins),
    }[name]
    text = {"nginx": NGINX, "haproxy": HAPROXY, "caddy": CADDY, "envoy": ENVOY, "traefik": TRAEFIK}[name]
    file.write_text(textwrap.dedent(text).format(dir=folder, port=port, servers=many))
    if name == "traefik":
        file = file.rename(folder / "static.yaml")
        (folder / "dynamic.yaml").write_text(TRAEFIK_DYNAMIC.format(servers=many))
    argv = {
        "nginx": [program, "-p", str(folder), "-c", str(file)],
        "haproxy": [program, "-f", str(file)],
        "caddy": [program, "run", "--adapter", "caddyfile", "--config", str(file)],
        "envoy": [program, "-c", str(file), "--concurrency", "1", "-l", "error", "--disable-hot-restart"],
        "traefik": [program, f"--configFile={file}"],
    }[name]
    if name == "envoy":
        file = file.rename(folder / "conf.yaml")
        argv[2] = str(file)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["taskset", "-c", "0", *argv],
            stdout=log,
            stderr=log,
            cwd=folder,
            env={"GOMAXPROCS": "1", "HOME": str(folder), "PATH": "/usr/bin:/bin"},
        )
    return Proxy(name, [process.pid], [process], folder)

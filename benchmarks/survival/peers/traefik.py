"""Traefik: active and passive checks, the retry middleware, also for bad answers; it reads its file again by itself.

One process. Its retries may go to the instance that has just failed.
"""

from benchmarks.survival.system import Site

CONFIG = """\
entryPoints:
  plain: {{ address: "127.0.0.1:{port}" }}
providers:
  file: {{ filename: {dir}/dynamic.yaml, watch: true }}
log: {{ level: ERROR }}
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
"""
DYNAMIC = """\
http:
  routers:
    plain: {{ rule: "PathPrefix(`/`)", service: o, middlewares: [again], entryPoints: [plain] }}
  middlewares:
    again: {{ retry: {{ attempts: 4, initialInterval: 10ms, timeout: 5s, status: ["500-504"] }} }}
  serversTransports:
    t:
      maxIdleConnsPerHost: 64
      forwardingTimeouts: {{ dialTimeout: 500ms, responseHeaderTimeout: 1s, idleConnTimeout: {idle}s }}
  services:
    o:
      loadBalancer:
        strategy: p2c
        serversTransport: t
        healthCheck: {{ path: /healthz, interval: 1s, unhealthyInterval: 1s, timeout: 500ms }}
        passiveHealthCheck: {{ failureWindow: 2s, maxFailedAttempts: 2 }}
        servers:
{servers}
"""


def configure(site: Site, turn: int) -> list[str]:
    """Write the configuration, and give the arguments."""
    file, dynamic = site.folder / "static.yaml", site.folder / "dynamic.yaml"
    if not turn:
        file.write_text(CONFIG.format(dir=site.folder, port=site.port))
    servers = "\n".join(f'          - {{ url: "http://127.0.0.1:{port}" }}' for port in site.instances)
    # Renamed into its place: it must not be read half written.
    fresh = site.folder / "dynamic.new"
    fresh.write_text(DYNAMIC.format(servers=servers, idle=90 + turn))
    fresh.rename(dynamic)
    return [f"--configFile={file}"]


def reload(program: str, arguments: list[str], pid: int, site: Site) -> None:
    """Do nothing: it watches its file."""
    del program, arguments, pid, site

"""Traefik: active checks, the retry middleware, Prometheus; time limits are those of the transport."""

from benchmarks.gateway.proxy import Place

DOORS = ("plain", "secure", "raw")
VERSION = ("version",)
CONFIG = """\
entryPoints:
  plain: {{ address: "127.0.0.1:{plain}" }}
  secure: {{ address: "127.0.0.1:{secure}" }}
  raw: {{ address: "127.0.0.1:{raw}" }}
  metrics: {{ address: "127.0.0.1:{admin}" }}
metrics:
  prometheus: {{ entryPoint: metrics }}
providers:
  file: {{ filename: {dir}/dynamic.yaml }}
log: {{ level: ERROR }}
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
"""
DYNAMIC = """\
http:
  routers:
    plain: {{ rule: "PathPrefix(`/`)", service: o, middlewares: [again], entryPoints: [plain] }}
    secure: {{ rule: "PathPrefix(`/`)", service: o, middlewares: [again], entryPoints: [secure], tls: {{}} }}
  middlewares:
    again: {{ retry: {{ attempts: 3 }} }}
  serversTransports:
    t: {{ maxIdleConnsPerHost: 64, forwardingTimeouts: {{ dialTimeout: 500ms, responseHeaderTimeout: 2s }} }}
  services:
    o:
      loadBalancer:
        strategy: p2c
        serversTransport: t
        healthCheck: {{ path: /, interval: 1s, timeout: 500ms }}
        servers:
{servers}
tcp:
  routers:
    raw: {{ rule: "HostSNI(`*`)", service: o, entryPoints: [raw] }}
  services:
    o:
      loadBalancer:
        servers:
{addresses}
tls:
  stores:
    default:
      defaultCertificate: {{ certFile: {cert}, keyFile: {cert} }}
"""


def configure(place: Place) -> list[str]:
    """Write the configuration, and give the arguments."""
    file = place.folder / "static.yaml"
    file.write_text(
        CONFIG.format(
            dir=place.folder, plain=place.plain, secure=place.secure, raw=place.raw, admin=place.admin
        )
    )
    (place.folder / "dynamic.yaml").write_text(
        DYNAMIC.format(
            servers="\n".join(f'          - {{ url: "http://127.0.0.1:{o}" }}' for o in place.origins),
            addresses="\n".join(f'          - {{ address: "127.0.0.1:{o}" }}' for o in place.origins),
            cert=place.cert,
        )
    )
    return [f"--configFile={file}"]

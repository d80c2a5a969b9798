"""Envoy: active checks, outlier detection, retries; its statistics, with histograms, are always on."""

from benchmarks.gateway.proxy import Place

DOORS = ("plain", "secure", "raw")
VERSION = ("--version",)
CONFIG = """\
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {admin} }} }} }}
static_resources:
  listeners:
  - name: plain
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {plain} }} }}
    filter_chains:
    - filters: &http
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          use_remote_address: true
          normalize_path: true
          request_headers_timeout: 10s
          common_http_protocol_options: {{ idle_timeout: 75s }}
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
  - name: secure
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {secure} }} }}
    filter_chains:
    - filters: *http
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [http/1.1]
            tls_certificates: [{{ certificate_chain: {{ filename: {cert} }}, private_key: {{ filename: {cert} }} }}]
  - name: raw
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {raw} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: raw
          cluster: o
          idle_timeout: 60s
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
_SERVER = (
    "        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }}"
)


def configure(place: Place) -> list[str]:
    """Write the configuration, and give the arguments."""
    file = place.folder / "envoy.yaml"
    file.write_text(
        CONFIG.format(
            servers="\n".join(_SERVER.format(port=o) for o in place.origins),
            cert=place.cert,
            plain=place.plain,
            secure=place.secure,
            raw=place.raw,
            admin=place.admin,
        )
    )
    return ["-c", str(file), "--concurrency", "1", "-l", "error", "--disable-hot-restart"]

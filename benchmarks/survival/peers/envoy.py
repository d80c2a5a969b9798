"""Envoy: active checks, outlier detection, retries on another host within a budget that is wide enough.

Its defaults for small pools are traps, so they are changed as its documentation tells: of three instances the outlier
detection may eject two, retries are limited by a budget and not to three at once. It has no reload of a file of this kind, and one process.
"""

from benchmarks.survival.system import Site

CONFIG = """\
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {admin} }} }} }}
static_resources:
  listeners:
  - name: plain
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          use_remote_address: true
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
              - match: {{ prefix: /, headers: [{{ name: ":method", string_match: {{ exact: POST }} }}] }}
                route:
                  cluster: o
                  timeout: 5s
                  retry_policy: {{ retry_on: "connect-failure,refused-stream,reset-before-request", per_try_timeout: 1s, {again} }}
              - match: {{ prefix: / }}
                route:
                  cluster: o
                  timeout: 5s
                  retry_policy: {{ retry_on: "connect-failure,refused-stream,reset,5xx", per_try_timeout: 1s, {again} }}
  clusters:
  - name: o
    type: STATIC
    connect_timeout: 0.5s
    lb_policy: LEAST_REQUEST
    circuit_breakers:
      thresholds:
      - max_connections: 10000
        max_pending_requests: 10000
        max_requests: 10000
        retry_budget: {{ budget_percent: {{ value: 50 }}, min_retry_concurrency: 100 }}
    common_lb_config: {{ healthy_panic_threshold: {{ value: 0 }} }}
    health_checks:
    - {{ timeout: 0.5s, interval: 1s, unhealthy_threshold: 2, healthy_threshold: 1, http_health_check: {{ path: /healthz }} }}
    outlier_detection:
      consecutive_5xx: 5
      consecutive_gateway_failure: 5
      enforcing_consecutive_gateway_failure: 100
      interval: 1s
      base_ejection_time: 2s
      max_ejection_time: 10s
      max_ejection_percent: 67
    load_assignment:
      cluster_name: o
      endpoints:
      - lb_endpoints:
{servers}
"""
_AGAIN = (
    "num_retries: 3, retry_host_predicate: [{ name: envoy.retry_host_predicates.previous_hosts, typed_config: "
    '{ "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate } }], '
    "host_selection_retry_max_attempts: 5"
)
_SERVER = (
    "        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }}"
)


def configure(site: Site, turn: int) -> list[str]:
    """Write the configuration, and give the arguments."""
    del turn
    file = site.folder / "envoy.yaml"
    servers = "\n".join(_SERVER.format(port=port) for port in site.instances)
    file.write_text(CONFIG.format(port=site.port, admin=site.admin, servers=servers, again=_AGAIN))
    return ["-c", str(file), "--concurrency", "2", "-l", "error", "--disable-hot-restart"]

"""nginx: no active checks in the open edition, only the passive ones of `max_fails`; metrics are `stub_status`."""

from benchmarks.gateway.proxy import Place

DOORS = ("plain", "secure", "raw")
VERSION = ("-v",)
CONFIG = """\
{stream}
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {dir}/nginx.pid; error_log {dir}/error.log error;
events {{ worker_connections 16000; }}
http {{
  access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s; client_body_buffer_size 64k;
  keepalive_requests 10000000;
  upstream o {{ {servers} keepalive 64; keepalive_requests 10000000; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
  proxy_connect_timeout 500ms; proxy_read_timeout 2s;
  proxy_next_upstream error timeout http_503; proxy_next_upstream_tries 3;
  ssl_certificate {cert}; ssl_certificate_key {cert}; ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:SSL:10m; ssl_session_timeout 1d;
  server {{
    listen 127.0.0.1:{plain} backlog=4096;
    listen 127.0.0.1:{secure} ssl backlog=4096;
    location / {{ proxy_pass http://o; }}
  }}
  server {{ listen 127.0.0.1:{admin}; location /metrics {{ stub_status; }} }}
}}
stream {{
  upstream o {{ {servers} }}
  server {{ listen 127.0.0.1:{raw} backlog=4096; proxy_pass o; proxy_connect_timeout 500ms; proxy_timeout 60s; }}
}}
"""
STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"
"""Where Debian's libnginx-mod-stream puts it."""


def configure(place: Place) -> list[str]:
    """Write the configuration, and give the arguments."""
    file = place.folder / "nginx.conf"
    file.write_text(
        CONFIG.format(
            stream=f"load_module {STREAM};",
            dir=place.folder,
            servers=" ".join(f"server 127.0.0.1:{o} max_fails=1 fail_timeout=1s;" for o in place.origins),
            cert=place.cert,
            plain=place.plain,
            secure=place.secure,
            raw=place.raw,
            admin=place.admin,
        )
    )
    return ["-p", str(place.folder), "-c", str(file)]

"""nginx: only passive checks in the open edition, shared by its workers (`zone`); retries of what is not a POST.

An instance is left out after one failure, for a second: with longer, a rolling restart leaves nobody.
"""

import os
import signal

import psutil

from benchmarks.survival.system import Site

CONFIG = """\
daemon off; worker_processes auto; worker_rlimit_nofile 20000; pid {dir}/nginx.pid; error_log {dir}/error.log error;
worker_shutdown_timeout 10s;
events {{ worker_connections 8000; }}
http {{
  access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s; client_body_buffer_size 64k;
  keepalive_timeout {keepalive}s;
  upstream o {{ zone o 256k; least_conn; {servers} keepalive 64; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
  proxy_connect_timeout 500ms; proxy_read_timeout 1s; proxy_send_timeout 1s;
  proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504;
  proxy_next_upstream_tries 3; proxy_next_upstream_timeout 5s;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://o; }} }}
}}
"""


def configure(site: Site, turn: int) -> list[str]:
    """Write the configuration, and give the arguments."""
    file = site.folder / "nginx.conf"
    servers = " ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in site.instances)
    file.write_text(CONFIG.format(dir=site.folder, port=site.port, servers=servers, keepalive=75 + turn))
    return ["-p", str(site.folder), "-c", str(file)]


def reload(program: str, arguments: list[str], pid: int, site: Site) -> None:
    """Have the master start new workers, and the old ones finish."""
    del program, arguments, site
    os.kill(pid, signal.SIGHUP)


def worker(pid: int) -> int:
    """Give the busiest of its workers."""
    return max(psutil.Process(pid).children(), key=lambda child: child.cpu_times().user).pid

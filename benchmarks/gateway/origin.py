"""The origins: nginx, which answers from memory, so that they are never what is measured."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.gateway.request import TINY

COUNT = 3
CONFIG = """\
daemon off; worker_processes 1; pid {dir}/origin-{port}.pid; error_log /dev/null; master_process off;
events {{ worker_connections 15000; }}
http {{
  access_log off; keepalive_requests 10000000; keepalive_timeout 3600s; client_body_temp_path {dir}/b;
  proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  client_body_buffer_size 64k; default_type text/plain; sendfile on; tcp_nopush on;
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {dir}/files;
    location = / {{ return 200 "{tiny}"; }}
    location = /post {{ return 200 "{tiny}"; }}
  }}
}}
"""


def program() -> str:
    """Give nginx.

    Raises:
        SystemExit: there is none.
    """
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if found is None:
        raise SystemExit("the origins are nginx: install it with  apt-get install nginx-light  (as root)")
    return found


def start(folder: Path, ports: list[int], core: int) -> list[subprocess.Popen[bytes]]:
    """Start one origin for each port."""
    files = folder / "files"
    files.mkdir()
    (files / "8k").write_bytes(b"x" * 8192)
    (files / "1m").write_bytes(b"x" * 2**20)
    started = []
    for port in ports:
        conf = folder / f"origin-{port}.conf"
        conf.write_text(CONFIG.format(dir=folder, port=port, tiny=TINY))
        argv = ["taskset", "-c", str(core), program(), "-p", str(folder), "-c", str(conf)]
        started.append(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
    return started

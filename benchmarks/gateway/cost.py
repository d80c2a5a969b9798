"""What a request costs each proxy: CPU time of its processes, divided by the requests that it answered.

The proxy has one core, the load and the origins the other. Every case is measured for every proxy in
turn, and the whole of it several times over; medians are shown, and ratios against Mainstay.

    python -m benchmarks.gateway.cost [--rounds 5] [--seconds 3] [--cases get12,1mib] [--only mainstay,envoy]
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.gateway import peers
from benchmarks.gateway.peers import ORIGINS, Proxy

ORIGIN = """\
daemon off; worker_processes 1; pid {dir}/origin.pid; error_log /dev/null; master_process off;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 10000000; keepalive_timeout 3600s; client_body_temp_path {dir}/b;
  proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  client_body_buffer_size 64k; default_type text/plain; sendfile on; tcp_nopush on;
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {files};
    location = / {{ return 200 "{tiny}"; }}
    location = /post {{ return 200 "{tiny}"; }}
  }}
}}
"""
TINY = "x" * 42
HEADERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Cache-Control: no-cache",
    "Cookie: session=6f1c0d3b2a; theme=dark; consent=yes; _ga=GA1.2.1234567890.1234567890",
    "Referer: https://shop.example/catalogue/ropes?page=2",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "X-Request-Id: 0b0f6e0e-7a5c-4a1e-9a55-0d0f0e0a0b0c",
)
CASES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "get12": ("/", HEADERS, ""),
    "get2": ("/", ("Accept: */*",), ""),
    "8kib": ("/8k", HEADERS, ""),
    "1mib": ("/1m", HEADERS, ""),
    "new": ("/", (*HEADERS, "Connection: close"), ""),
    "post": ("/post", HEADERS, 'wrk.method = "POST"\nwrk.body = string.rep("x", 8192)\n'),
}


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu(pids: list[int]) -> float:
    """Add up the CPU seconds of processes and their children."""
    total = 0.0
    for pid in pids:
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def wait_until_answering(port: int, who: str, limit: float = 20.0) -> None:
    """Wait until a proxy passes a request on."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as made:
                made.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if b" 200 " in made.recv(100):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"{who} does not answer on port {port}")


def origins(folder: Path, ports: list[int]) -> list[subprocess.Popen[bytes]]:
    """Start the origins."""
    files = folder / "files"
    files.mkdir()
    (files / "8k").write_bytes(b"x" * 8192)
    (files / "1m").write_bytes(b"x" * 2**20)
    started = []
    for port in ports:
        conf = folder / f"origin-{port}.conf"
        conf.write_text(ORIGIN.format(dir=folder, port=port, files=files, tiny=TINY))
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        started.append(
            subprocess.Popen(
                ["taskset", "-c", "1", program, "-p", str(folder), "-c", str(conf)], stderr=subprocess.DEVNULL
            )
        )
    return started


def mainstay(folder: Path, port: int, ports: list[int]) -> Proxy:
    """Start our own gateway in front of the same origins, through relays that only hold the ports."""
    home = folder / "mainstay"
    home.mkdir()
    relay = Path(__file__).with_name("worker.py")
    process = subprocess.Popen(
        ["taskset", "-c", "0", sys.executable, str(relay), str(port), *map(str, ports)], cwd=home
    )
    return Proxy("worker", [process.pid], [process], home)


def load(
    port: int, case: str, seconds: float, folder: Path, connections: int = 32
) -> tuple[int, dict[str, float]]:
    """Put load on a proxy with wrk; give the requests answered and the latencies in ms."""
    path, headers, script = CASES[case]
    file = folder / f"{case}.lua"
    file.write_text(
        script
        + "done = function(s, l, r)\n"
        + 'io.write(string.format("RESULT %d %d %d %f %f %f\\n", s.requests, s.errors.status, '
        + "s.errors.connect + s.errors.read + s.errors.timeout, "
        + "l:percentile(50), l:percentile(99), l:percentile(99.9)))\nend\n"
    )
    told = [part for header in headers for part in ("-H", header)]
    ran = subprocess.run(
        [
            "taskset",
            "-c",
            "1",
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "-s",
            str(file),
            *told,
            f"http://127.0.0.1:{port}{path}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    result = re.search(r"RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+)", ran.stdout)
    assert result is not None, ran.stdout
    requests, bad, broken = (int(result[n]) for n in (1, 2, 3))
    if bad or (broken and case != "new"):
        raise SystemExit(f"{case}: {bad} bad answers, {broken} broken connections\n{ran.stdout}")
    return requests, {
        "p50": float(result[4]) / 1000,
        "p99": float(result[5]) / 1000,
        "p999": float(result[6]) / 1000,
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("the load is put on by wrk: install it with  apt-get install wrk  (as root)")
    programs = peers.found()
    names = [name for name in ("mainstay", *programs) if not told.only or name in told.only.split(",")]
    results: dict[str, dict[str, list[float]]] = {
        case: {name: [] for name in names} for case in told.cases.split(",")
    }
    rates: dict[str, dict[str, list[float]]] = {case: {name: [] for name in names} for case in results}
    with tempfile.TemporaryDirectory(prefix="mainstay-bench-") as name_of_folder:
        folder = Path(name_of_folder)
        ports = [free_port() for _ in range(ORIGINS)]
        running = origins(folder, ports)
        proxies: dict[str, tuple[Proxy, int]] = {}
        try:
            for port in ports:
                wait_until_answering(port, "an origin")
            for name in names:
                port = free_port()
                made = (
                    mainstay(folder, port, ports)
                    if name == "mainstay"
                    else peers.start(name, programs[name], folder / name, port, ports)
                )
                proxies[name] = (made, port)
                wait_until_answering(port, name)
            for _ in range(told.rounds):
                for case in results:
                    for name, (proxy, port) in proxies.items():
                        load(port, case, 1, folder)
                        before, began = cpu(proxy.pids), time.monotonic()
                        requests, _ = load(port, case, told.seconds, folder)
                        took = time.monotonic() - began
                        results[case][name].append((cpu(proxy.pids) - before) / requests * 1e6)
                        rates[case][name].append(requests / took)
        finally:
            for proxy, _ in proxies.values():
                proxy.close()
            for process in running:
                process.terminate()
                process.wait()
    if told.json:
        told.json.write_text(json.dumps({"cpu_us": results, "rps": rates}))
    show(names, results, rates)


def show(
    names: list[str], results: dict[str, dict[str, list[float]]], rates: dict[str, dict[str, list[float]]]
) -> None:
    """Print the medians, and how ours compares."""
    print(f"cores {os.cpu_count()}, CPU µs per request (median), and in brackets mainstay's as a share of it")
    print(f"{'case':8}" + "".join(f"{name:>20}" for name in names))
    for case, by_name in results.items():
        ours = statistics.median(by_name["mainstay"]) if "mainstay" in by_name else 0.0
        cells = [
            f"{statistics.median(by_name[n]):9.1f} ({ours / statistics.median(by_name[n]):5.2f})"
            for n in names
        ]
        print(f"{case:8}" + "".join(f"{cell:>20}" for cell in cells))
    print("requests per second, median")
    for case, by_name in rates.items():
        print(f"{case:8}" + "".join(f"{statistics.median(by_name[n]):20,.0f}" for n in names))


if __name__ == "__main__":
    main()

"""Real processes for the drills: started with their output read, and never left behind."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from ports import free_port


class Running:
    """A process that has said its first line."""

    def __init__(self, argv, environ, cwd=None):
        self.port = int(environ.get("PORT", 0))
        self.process = subprocess.Popen(
            argv,
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"} | environ,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def pid(self):
        return self.process.pid

    def line(self):
        return self.process.stdout.readline()

    def until(self, word):
        lines = []
        while line := self.line():
            lines.append(line)
            if word in line:
                return line
        raise AssertionError(f"no {word!r} in {lines}")

    def listening(self):
        """Wait until it accepts connections, for servers that do not say so."""
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
                return self
            time.sleep(0.02)
        raise AssertionError(f"nothing listens on {self.port}")

    def ask(self, method, path, body=None, headers=None):
        """Ask one question on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def end(self, number=signal.SIGTERM):
        """Ask it to end, and give its exit code and its last words."""
        self.process.send_signal(number)
        words, _ = self.process.communicate(timeout=15)
        return self.process.returncode, words

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def start():
    """Start processes that end with the test."""
    running = []

    def started(argv, environ=None, cwd=None):
        running.append(Running(argv, environ or {}, cwd))
        return running[-1]

    yield started
    for one in running:
        one.kill()


@pytest.fixture
def service(start):
    """Start the bundled service; it listens when this returns, unless told to boot slowly."""

    def started(*, wait=True, **environ):
        told = {"PORT": str(free_port())} | {name: str(value) for name, value in environ.items()}
        one = start([sys.executable, "-m", "mainstay.drill.demo.service"], told)
        if wait:
            one.until("listens on")
        return one

    return started


@pytest.fixture
def port():
    return free_port()

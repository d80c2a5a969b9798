"""Runs last: no process, port or file of any test is left."""

import os
import tempfile
from pathlib import Path

import psutil

from mainstay.supervisor.port import bindable, port_range


def test_no_process_is_left(test_run):
    left = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            environ = process.environ()
        except psutil.Error:
            continue
        mine = environ.get("MAINSTAY_TEST_RUN") == test_run
        runs = environ.get("MAINSTAY_OWNER", "").startswith(test_run)
        if (mine or runs) and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            left.append(process.info)

    assert left == []


def test_no_port_is_left():
    mine = {
        connection.laddr.port
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }

    assert mine == set()
    assert bindable(port_range()[0])


def test_no_file_is_left(temporary_files):
    now = {path.name for path in Path(tempfile.gettempdir()).iterdir()}

    assert {name for name in now - temporary_files if "mainstay" in name} == set()

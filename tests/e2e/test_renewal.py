"""Certificates that are about to end, and are renewed, in a copy that runs."""

import sys

import pytest

from mainstay.cli.talk import ask
from mainstay.drill.cell import cells, chosen
from mainstay.drill.fault.grip import Failed
from mainstay.drill.stage import renewal
from mainstay.drill.stage.premise import missing, prepared
from mainstay.drill.stage.renewal import renewed
from mainstay.drill.stage.stage import private
from mainstay.system.load import load
from pki import Authority

pytestmark = pytest.mark.e2e

FILE = f"""\
gateway: {{ workers: 1 }}
services:
  web:
    command: [{sys.executable}, -m, mainstay.drill.demo.service]
    instances: 1
    listen: https://127.0.0.1:1
    tls: {{ cert: shop.example.crt, key: shop.example.key }}
"""


async def test_a_certificate_that_is_renewed_in_time_is_shown_and_one_that_is_not_taken_up_proves_nothing(
    tmp_path, monkeypatch
):
    Authority(tmp_path).issue("shop.example")
    (tmp_path / "mainstay.yaml").write_text(FILE)
    system = load(tmp_path / "mainstay.yaml")
    wanted = chosen(cells(system), ["certificate"])
    (work := tmp_path / "work").mkdir()

    async with (
        prepared(system, work, wanted) as having,
        private(system, tmp_path / "copy", ask, lambda _: None, own=having.own) as stage,
    ):
        without = missing(stage, wanted[0])
        stage.certificates = having.certificates
        said = await renewed(stage)
        monkeypatch.setattr(renewal, "_PATIENCE", 1.0)
        stage.certificates = having.certificates._replace(made=())
        with pytest.raises(Failed) as nothing:
            await renewed(stage)

    assert "only in a private copy that was started for it" in without
    assert said.startswith("1 certificate had 1 day left, which was told; the renewed one was shown")
    assert str(nothing.value) == "it does not tell that its certificates are about to end"

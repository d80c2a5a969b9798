"""What stands for a system, and how a drill is played again."""

import pytest
from pydantic import create_model

import matrices
from mainstay.drill.cell import GATEWAY
from mainstay.drill.report import fingerprint, reproduce
from mainstay.system.schema import System


def test_another_key_in_the_schema_does_not_make_another_system(tmp_path):
    now = matrices.shop(tmp_path)
    later = create_model("Later", __base__=System, colour=(str, "blue"))
    again = later.model_validate({name: getattr(now, name) for name in now.model_fields_set})

    assert again.colour == "blue"
    assert fingerprint(again) == fingerprint(now)


def test_its_name_how_it_is_drilled_and_the_order_of_its_keys_do_not_make_another_system(tmp_path):
    before = fingerprint(matrices.shop(tmp_path))
    lines = matrices.SHOP.splitlines(keepends=True)
    written = "".join((*lines[1:2], "name: kiosk\n", lines[2], *lines[8:], *lines[3:8]))
    (tmp_path / "mainstay.yaml").write_text(written + "drills: { lease: 20s }\n")

    assert fingerprint(matrices.load(tmp_path / "mainstay.yaml")) == before


def test_what_the_file_says_of_a_service_makes_another_system(tmp_path):
    before = fingerprint(matrices.shop(tmp_path))

    assert fingerprint(matrices.shop(tmp_path, "    retry: off\n")) != before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("kill@web", "--fault kill --target web"),
        (f"worker-kill@{GATEWAY}", "--fault worker-kill --target gateway"),
        ("kill@web+latency@api", "--cell kill@web+latency@api"),
    ],
)
def test_a_drill_is_played_again_by_a_command_that_plays_no_other(tmp_path, name, words):
    shop = matrices.shop(tmp_path)

    told = reproduce(matrices.cell(shop, name), matrices.terms(shop))

    assert told == f"mainstay drill run {words} --quick --rps 50 --seed 1"

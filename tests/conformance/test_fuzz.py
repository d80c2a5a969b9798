"""The fuzz targets, without a fuzzer: what they judge by holds for what they begin with."""

import importlib
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.__main__ import _NO_READERS, TARGETS

from conformance import grammar

ROOT = Path(__file__).parents[2]
EXTRA = 300
"""Inputs beyond the seeds, by chance that is always the same."""


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found_in_what_a_target_begins_with(target):
    module = importlib.import_module(f"fuzz.{target}")
    dice, seeds = random.Random(target), module.seeds()

    with module.prepared() as judge:
        for seed in seeds:
            judge(seed)
        for _ in range(EXTRA):
            how, seed = dice.randbytes(3), dice.choice(seeds)
            judge(grammar.mutated(dice, how + seed[3:], seeds)[: module.LARGEST])


def test_every_module_of_the_folder_is_a_target_that_make_runs():
    modules = {file.stem for file in (ROOT / "fuzz").glob("*.py") if not file.stem.startswith("_")}

    assert modules == set(TARGETS)


def test_a_finding_can_be_judged_again(tmp_path):
    finding = tmp_path / "finding"
    finding.write_bytes(importlib.import_module("fuzz.request").seeds()[0])

    said = subprocess.run(
        [sys.executable, "-m", "fuzz", "request", finding],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stdout, said.stderr) == (0, "nothing is wrong with it\n", "")


@pytest.mark.parametrize("name", _NO_READERS)
def test_what_is_not_watched_while_fuzzing_is_there(name):
    assert importlib.import_module(name)

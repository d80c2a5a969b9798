"""What the reference says is what the program says."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from starlette.routing import Route

from mainstay.base.errors import EXIT_CODES
from mainstay.cli.app import command_line
from mainstay.gateway.fault.kind import KINDS
from mainstay.gateway.http.page import REASONS
from mainstay.gateway.tally import Tally
from mainstay.system.publish import json_schema
from mainstay.web.api import application

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference"


def _generate() -> Any:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = _generate()
COMMANDS: Any = typer.main.get_command(command_line())


def _cells(page: str) -> set[str]:
    """Give the words in code style that begin a row of a page's tables, or its second column."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {word for row in rows for cell in row[:2] for word in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("page", GENERATE.PAGES)
def test_a_generated_page_is_what_the_program_would_write_now(page: str) -> None:
    now = GENERATE.PAGES[page]()

    kept = (REFERENCE / page).read_text(encoding="utf-8")

    assert kept == now, "run `make docs`"


def test_every_command_is_documented() -> None:
    names = {name for name, _ in GENERATE._commands_of(COMMANDS)}

    assert names <= _cells("commands.md")


@pytest.mark.parametrize("code", EXIT_CODES)
def test_every_exit_code_is_documented(code: int) -> None:
    text = (REFERENCE / "commands.md").read_text(encoding="utf-8")

    assert f"\n| {code} | {EXIT_CODES[code]} |\n" in text


def test_every_reason_for_an_answer_of_the_gateway_is_documented() -> None:
    assert set(REASONS) <= _cells("answers.md")


def test_every_fact_is_documented() -> None:
    kinds = {kind.__name__ for kind in GENERATE.fact_kinds()}

    assert len(kinds) > 10
    assert kinds <= _cells("facts.md")


def test_every_key_of_the_system_file_is_documented() -> None:
    schema = json_schema()
    sections = [schema, *schema["$defs"].values()]
    keys = {key for section in sections for key in section.get("properties", {})}

    assert {"services", "command", "down_after"} <= keys
    assert keys <= _cells("system-file.md")


def test_every_count_of_the_status_is_documented() -> None:
    counts = {**Tally().service("web"), **Tally().instance("web", "web-1", 1)}

    assert set(counts) <= _cells("json.md")


def test_every_path_of_the_control_api_is_documented() -> None:
    nobody: Any = None
    routes = [one for one in application(nobody, lambda: None, nobody).routes if isinstance(one, Route)]
    asked = {
        f"{method} {route.path.replace('{service}', 'SERVICE').replace('{fault}', 'FAULT').replace('{mark}', 'MARK')}"
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
    }

    assert asked == {cell for cell in _cells("control-api.md") if cell.startswith(("GET ", "POST "))}


def test_every_fault_of_traffic_is_documented_with_its_parameters() -> None:
    text = (REFERENCE / "faults.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}

    for name, kind in KINDS.items():
        assert all(f"`{number}`" in rows[name] for number in kind.numbers)
        assert ("`direction`" in rows[name]) is bool(kind.direction)

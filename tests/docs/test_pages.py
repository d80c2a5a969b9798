"""What every page says can be done: links lead somewhere, system files load, command lines are understood."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import trustme
import typer
from _pytest.mark.structures import ParameterSet

from mainstay.cli.app import command_line
from mainstay.system.load import load

ROOT = Path(__file__).parents[2]
NOT_OURS = {"node_modules", "mutants", "build", "dist"}
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in NOT_OURS for part in page.relative_to(ROOT).parts)
)
COMMANDS: Any = typer.main.get_command(command_line())

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_INLINE = re.compile(r"`(mainstay [a-z][^`…]*)`")
_ENDS = {"|", "||", "&&", "&", ";", ">", ">>", "<"}
# Names that stand for what the reader puts there.
_STANDS_FOR = {"SERVICE=N": "web=2", "SERVICE": "web"}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _blocks(kinds: set[str]) -> list[ParameterSet]:
    return [
        pytest.param(text, id=f"{_name(page)}-{number}")
        for page in PAGES
        for number, (kind, text) in enumerate(_BLOCK.findall(page.read_text(encoding="utf-8")), start=1)
        if kind in kinds
    ]


def _prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    """Give the names that headings are linked by: small letters, digits, and hyphens for spaces."""
    headings = _HEADING.findall(_prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _typed() -> list[str]:
    """Give every `mainstay …` that a reader may type: in blocks for the shell, and in prose."""
    lines: set[str] = set()
    for page in PAGES:
        for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if kind == "console":
                lines |= {line[2:] for line in text.splitlines() if line.startswith("$ ")}
            elif kind == "sh":
                lines |= set(text.splitlines())
            elif kind == "ini":
                lines |= {line.partition("=")[2] for line in text.splitlines() if line.startswith("Exec")}
        # A command alone, as in a heading, is its name and no line to type.
        lines |= {line for line in _INLINE.findall(_prose(page)) if not _is_a_name(line)}
    return sorted(line for line in lines if _calls(line))


def _is_a_name(line: str) -> bool:
    """Tell whether a line has nothing but the name of a command, with that of a group before it or not."""
    command = COMMANDS
    for word in line.split()[1:]:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            return False
    return True


def _calls(line: str) -> list[list[str]]:
    """Give the words after `mainstay` of each time that a line runs it."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    calls: list[list[str]] = []
    call: list[str] | None = None
    try:
        tokens = list(words)
    except ValueError:  # a quote that goes on in the next line
        return []
    for word in tokens:
        if word in _ENDS:
            call = None
        elif call is None and Path(word).name == "mainstay":
            call = []
            calls.append(call)
        elif call is not None:
            call.append(_STANDS_FOR.get(word, word))
    return calls


def _understood(words: list[str]) -> None:
    """Have a command line read as the program does, without doing anything."""
    if words[0].startswith("-"):
        assert words[0] in {option for one in COMMANDS.params for option in one.opts} | {"-h", "--help"}
        return
    command, words = COMMANDS, list(words)
    while hasattr(command, "commands") and words and words[0] not in ("-h", "--help"):
        name = words.pop(0)
        command = command.commands[name]
    try:
        command.make_context(name, words)
    except typer.Exit:
        assert {"-h", "--help"} & set(words)


def test_there_is_something_to_look_at() -> None:
    assert len(PAGES) > 20
    assert len(_typed()) > 20
    assert len(_blocks({"yaml"})) > 5


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = [
        link for link in _LINK.findall(_prose(page)) if "://" not in link and not link.startswith("mailto:")
    ]

    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in _anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=_name)
def test_every_page_can_be_reached_from_the_index(page: Path) -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(_prose(index))}

    assert page == index or page.resolve() in linked


def _whole_files() -> list[ParameterSet]:
    return [block for block in _blocks({"yaml"}) if "services:" in str(block.values[0]).splitlines()]


def _make_certificates(folder: Path, text: str) -> None:
    """Make the files that a system file names: all certificates are of one authority."""
    ca = trustme.CA()
    for line in re.findall(r"cert: .*?key: [\w/.]+", text, re.DOTALL):
        made = ca.issue_cert(f"host-{len(list(folder.rglob('*')))}.example")
        files = dict(re.findall(r"(cert|key): ([\w/.]+)", line))
        made.cert_chain_pems[0].write_to_path(str(_room(folder / files["cert"])))
        made.private_key_pem.write_to_path(str(_room(folder / files["key"])))
    for file in re.findall(r"ca: ([\w/.-]+)", text):
        ca.cert_pem.write_to_path(str(_room(folder / file)))


def _room(file: Path) -> Path:
    file.parent.mkdir(exist_ok=True)
    return file


@pytest.mark.parametrize("text", _whole_files())
def test_every_system_file_loads(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "mainstay.yaml").write_text(text, encoding="utf-8")
    _make_certificates(folder, text)

    system = load(folder / "mainstay.yaml", {})

    assert system.services


@pytest.mark.parametrize("line", _typed())
def test_every_command_line_is_understood(line: str) -> None:
    for words in _calls(line):
        _understood(words or ["--help"])


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    named = {line.split()[1] for line in _INLINE.findall(_prose(page))}

    assert named <= set(COMMANDS.commands)

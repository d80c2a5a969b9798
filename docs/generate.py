"""The reference pages that the program writes about itself.

`python -m docs.generate` (or `make docs`) writes them. A test compares what is in the repository with what
this module would write, so that no page can say what the program does not do.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer

from mainstay.base import facts
from mainstay.base.errors import EXIT_CODES
from mainstay.base.units import DURATION_UNITS, SIZE_UNITS
from mainstay.cli.app import command_line
from mainstay.drill.fault.kind import CLASSES, INSTANCE, KINDS, SERVICE, SYSTEM, ZONE, Kind
from mainstay.drill.form import shape
from mainstay.drill.verdict import VERDICTS
from mainstay.gateway.http.page import REASONS
from mainstay.redundancy.audit.catalogue import OF_COMPOSE, OF_SYSTEM, RULES
from mainstay.redundancy.audit.rule import SEVERITIES
from mainstay.system import publish

FOLDER = Path(__file__).parent / "reference"
"""Where the pages are."""

_NOTE = "<!-- Written by `python -m docs.generate`. Change the program, not this page. -->"

_SYSTEM_FILE = """\
One YAML file says what runs and how it stays up. It is called `mainstay.yaml` or `mainstay.yml`, or `--file`
names it. All paths in it are relative to its own folder. [Write a system file](../how-to/write-a-system-file.md)
shows how to make one; [defaults](../explanation/defaults.md) explains the choices behind this page.

The smallest one has a command and an address:

```yaml
services:
  web:
    command: node server.js
    listen: http://127.0.0.1:8080
```

Editors check it while you type if you give them the JSON Schema:

```sh
mainstay schema > mainstay.schema.json
```

## How values are written

| Kind | Written | Examples |
| --- | --- | --- |
| duration | a number and a unit: {durations}; a bare number is refused, except `0` where it is allowed | `500ms`, `1.5s`, `2m` |
| size | a number and a unit: {sizes}; `KB` is 1,000 bytes and `KiB` is 1,024 | `64KiB`, `10MB` |
| share | a number and `%` | `20%`, `99.95%` |
| name | small letters, digits and hyphens, beginning with a letter | `web`, `zone-a` |

- The file is YAML 1.2. `on` and `off` are words; `yes` and `no` mean nothing.
- An unknown key, a key that is there twice, and a value without its unit are errors. All problems of a file are
  told at once, with line, column, what was found and what is allowed.
- `${{NAME}}` is replaced by an environment variable of the `mainstay` command, and `${{NAME:-default}}` has a default.
  A name that is not set and has no default is an error. `$$` stands for one `$`.
- In `command` and `env`, some names are left for each instance to fill in: `${{PORT}}`, `${{MAINSTAY_INSTANCE}}`,
  `${{MAINSTAY_ZONE}}`, `${{MAINSTAY_SERVICE}}`, and `${{MAINSTAY_URL_NAME}}` for each service `name` that it `needs`.
- Anchors, aliases and merge keys (`<<`) work.
- A mechanism whose type says "`off` or mapping" is switched off by the word `off`:
  see [turn a mechanism off](../how-to/turn-a-mechanism-off.md).

"""

_DRILL_REPORT = """\
`mainstay drill run` and `mainstay drill show` make one report, and give it in several forms:

| Option | Form | For whom |
| --- | --- | --- |
| none | the survival matrix as a table | you, at a terminal |
| `--json` | this page's, on standard output | programs |
| `--junit FILE` | JUnit XML | CI services, which show it among the tests |
| `--markdown FILE` | Markdown | the summary of a GitHub workflow (`--markdown $GITHUB_STEP_SUMMARY` is added to what is there), or a comment |
| `--html FILE` | one page of HTML that needs no other file and no script | those who decide: the matrix, and a timeline of every cell |

Files are tried before anything is broken: if one cannot be written, nothing happens, and the command ends with 2. It ends with
0 if every cell is as expected, and with 1 if one is not. For `drill show`, a cell that is stale or was never drilled is not
as expected either.

`drill show` tells the newest that is known of every cell. What is expected and accepted is what the system file says *now*.

In JUnit XML each target is a suite, and each cell a test case `FAULT -> TARGET` of the class `drill.TARGET`. A cell that is not as expected is a failure
whose type is the verdict in small letters; `INVALID` is an error; `NOT_RUN`, `STALE` and `ACCEPTED` are skipped, with the
reason. Numbers are properties of the suite, such as `kill.failed`. Markdown is never longer than 1,000 kB: what says least is left out, and it says so.

## JSON

The [JSON Schema](drill-report.schema.json) (draft 2020-12) says the same as this page. New fields may come without a new version, so ignore
what you do not know. Runs are kept as files of this shape in `.mainstay/drills/reports`.

"""

_PARTS = {
    "coverage": "Of each class of faults of which something is known.",
    "cell": "The fields from `expected` on are there when the cell was played, all of them but `age`.",
    "latency": "Of one part of a cell. Of several entry points, the times are those of the one that got the slowest.",
    "writes": "What became of writes, where `drills.load.journal` tells which were carried out.",
}

_COMMANDS = """\
`mainstay` has one command for each thing that you do to a system. Each finds its system by the system file: the
one that `--file` names, otherwise `mainstay.yaml` in the current folder.

Data goes to standard output, news and errors go to standard error. `--json` prints JSON; its shapes are in
[json.md](json.md).

"""

_ANSWERS = """\
When there is no answer of an instance to pass on, the gateway answers by itself. It answers with a small page if
the request's `Accept` names `text/html`, and otherwise with JSON:

```json
{"status": 503, "error": "no_instance", "message": "No instance of this service is ready to answer. …"}
```

The header `Mainstay-Reason` carries the same word as `error`. An answer with 429 or 503, or of `key_in_use`, carries
`Retry-After`, in seconds. Nothing of the request is ever repeated in the answer.

If the last attempt got an answer from an instance, that answer is passed on as it is, whatever its status: a 500 of
your service stays your service's. What may be tried again before that is told in
[what is retried, and why](../explanation/what-is-retried-and-why.md).

"""

_ANSWERS_END = """
Those that speak of an `Idempotency-Key` are given where the gateway [looks after keys](../how-to/make-writes-safe-to-repeat.md).

If an instance dies after the first bytes of a long answer have gone to the client, no status can be sent any more.
The gateway then cuts the connection, so that the client sees that the answer is incomplete.
"""

_FAULT_KINDS = """\
`mainstay drill plan` lists which of these a system file implies, and `mainstay drill run` does them. Seconds, bytes, and
shares from 0 to 1. Faults of traffic are made [on the gateway's legs](faults.md#traffic); all others are held by a process of
their own, which undoes them when the drill is gone.

None needs privileges. What the machine, or what runs on it, does not allow is told as `INVALID`: a fault that did not act
proves nothing. A fault that takes what is not installed is not begun, and told as `NOT_RUN` with what would help.

What is not there: faults by `tc netem` or iptables. They take privileges and a kernel that has them, and go on when whoever made
them is killed. Faults of traffic act on what passes through the gateway, and on that alone: `loss` is packet loss as TCP shows it, by
pieces that come late.

"""

_VERDICTS = """\
## Verdicts

[How a verdict is given](../explanation/drills.md) tells more.

"""

_AUDIT_RULES = """\
`mainstay audit` tells what stops users when it is lost, and what these rules find in the system file or the Compose file.
[Audit in CI](../how-to/audit-in-ci.md) shows how to use it; how a finding is accepted stands there too.

A rule says only what can be known from the file. Whether a health check depends on a database, whether two services
share a disk, or how many machines are behind a name, cannot be seen there, and no rule guesses.

"""

_FACTS = """\
A fact is told when something changes. `mainstay up` prints facts as sentences, and `mainstay up --json` prints each
as one line of JSON. The [control API](control-api.md) gives the last 1000.

Each has `fact` (its name), `version` (of its shape, now 1) and `at` (seconds since 1970, UTC). A fact that a
gateway worker saw also has `worker`, the number of that worker. The other fields are listed here.

"""


def main() -> None:
    """Write all pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


def system_file() -> str:
    """Write the reference of the system file."""
    text = _SYSTEM_FILE.format(durations=_words(DURATION_UNITS), sizes=_words(SIZE_UNITS))
    return _page("The system file", text + publish.reference())


def commands() -> str:
    """Write the reference of the commands, and of their exit codes."""
    root: Any = typer.main.get_command(command_line())
    parts = [_COMMANDS, "| Command | What it does |\n| --- | --- |\n"]
    every = dict(_commands_of(root))
    parts += [
        f"| [`{name}`](#mainstay-{name.replace(' ', '-')}) | {_first(one.help)} |\n"
        for name, one in every.items()
    ]
    parts.append("\n## Options of `mainstay` itself\n\n" + _options(root))
    for name, command in every.items():
        parts.append(f"\n## `mainstay {name}`\n\n{_usage(name, command)}\n{_cleaned(command.help)}\n\n")
        parts += filter(None, (_arguments(command), _options(command)))
    parts.append("\n## Exit codes\n\n| Code | Meaning |\n| --- | --- |\n")
    parts += [f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items()]
    return _page("Commands", "".join(parts))


def _commands_of(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - as below
    """Give every command by the words that it is called with; a group is none, its commands are."""
    for name, one in group.commands.items():
        inner = getattr(one, "commands", None)
        if inner is None:
            yield f"{before}{name}", one
        else:
            yield from _commands_of(one, f"{before}{name} ")


def fault_kinds() -> str:
    """Write the reference of the kinds of fault, and of the verdicts."""
    parts = [_FAULT_KINDS]
    for family, meaning in CLASSES.items():
        kinds = [kind for kind in KINDS.values() if kind.family == family]
        parts.append(f"## {family.capitalize()}\n\n{meaning.capitalize()}.\n\n")
        rows = [
            (f"`{kind.name}`", _AIMS[kind.aim], _cleaned(kind.does), _parameters(kind), kind.undone)
            for kind in kinds
        ]
        parts.append(_table(("Fault", "Aimed at", "What it does", "Parameters", "How it ends"), rows) + "\n")
    verdicts = _table(("Verdict", "Meaning"), [(f"`{name}`", text) for name, text in VERDICTS.items()])
    return _page("What a drill can break", "".join(parts) + _VERDICTS + verdicts)


def drill_report() -> str:
    """Write the reference of the report of drills."""
    parts = [_DRILL_REPORT, _fields(shape.REPORT)]
    parts += [
        f"\n### `{name}`\n\n{_PARTS[name]}\n\n{_fields(fields)}" for name, fields in shape.PARTS.items()
    ]
    return _page("The report of drills", "".join(parts))


def _fields(fields: shape.Fields) -> str:
    return _table(("Field", "Meaning"), [(f"`{name}`", field.meaning) for name, field in fields.items()])


def drill_schema() -> str:
    """Write the JSON Schema of the report of drills."""
    return json.dumps(shape.schema(), indent=2) + "\n"


_AIMS = {
    INSTANCE: "one instance of a service",
    SERVICE: "a service",
    ZONE: "all instances in a zone",
    SYSTEM: "Mainstay itself",
}


def _parameters(kind: Kind) -> str:
    return ", ".join(f"`{name}` {value}" for name, value in kind.parameters.items()) or "none"


def audit_rules() -> str:
    """Write the reference of the rules of the audit."""
    levels = _table(("Severity", "Meaning"), [(f"`{name}`", text) for name, text in SEVERITIES.items()])
    parts = [_AUDIT_RULES, levels]
    for title, rules in (("system files", OF_SYSTEM), ("Compose files", OF_COMPOSE)):
        rows = [(f"[`{rule.id}`](#{rule.id})", rule.severity, rule.title) for rule in rules.values()]
        parts.append("\n" + _table((f"Rule about {title}", "Severity", "What is wrong"), rows))
    parts += [
        f"\n## {rule.id}\n\n{rule.severity.capitalize()}: {rule.title}. {rule.why}\n\nFound in:\n\n"
        f"```text\n{rule.example}\n```\n\nInstead: {rule.fix}.\n"
        for rule in RULES.values()
    ]
    return _page("Rules of the audit", "".join(parts))


def answers() -> str:
    """Write the reference of the gateway's own answers."""
    rows = [(str(status), f"`{reason}`", text) for reason, (status, text) in REASONS.items()]
    return _page(
        "Answers of the gateway itself",
        _ANSWERS + _table(("Status", "Reason", "Message"), rows) + _ANSWERS_END,
    )


def told_facts() -> str:
    """Write the reference of the facts."""
    rows = []
    for kind in fact_kinds():
        names = [f"`{field.name}`" for field in fields(kind) if field.name != "at"]
        rows.append((f"`{kind.__name__}`", _cleaned(kind.__doc__), ", ".join(names)))
    return _page("Facts", _FACTS + _table(("Fact", "What happened", "Fields"), rows))


def fact_kinds() -> Iterator[type[facts.Fact]]:
    """Give every kind of fact that is told: the classes that no other is made from."""
    parents = {parent for kind in _facts() for parent in kind.__bases__}
    return (kind for kind in _facts() if kind not in parents)


def _facts() -> list[type[facts.Fact]]:
    return [one for one in vars(facts).values() if isinstance(one, type) and issubclass(one, facts.Fact)]


def _page(title: str, text: str) -> str:
    return f"{_NOTE}\n\n# {title}\n\n{text.rstrip()}\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _words(units: Iterable[str]) -> str:
    return ", ".join(f"`{unit}`" for unit in units)


def _cleaned(text: str | None) -> str:
    paragraphs = (" ".join(part.split()) for part in (text or "").split("\n\n"))
    return "\n\n".join(part for part in paragraphs if part)


def _first(text: str | None) -> str:
    return _cleaned(text).split("\n\n")[0]


def _usage(name: str, command: Any) -> str:  # noqa: ANN401 - Typer brings its own Click, which has no public types
    words = ["mainstay", name, "[OPTIONS]", *(_shown(one) for one in _params(command, "argument"))]
    return f"```text\n{' '.join(words)}\n```\n"


def _shown(argument: Any) -> str:  # noqa: ANN401 - likewise
    word = str(argument.metavar or argument.name.upper())
    return word if argument.required or word.startswith("[") else f"[{word}]"


def _arguments(command: Any) -> str:  # noqa: ANN401 - likewise
    rows = [
        (f"`{_shown(one)}`", f"{_cleaned(one.help)}{_default(one)}") for one in _params(command, "argument")
    ]
    return _table(("Argument", "Meaning"), rows) + "\n" if rows else ""


def _options(command: Any) -> str:  # noqa: ANN401 - likewise
    rows = []
    for one in _params(command, "option"):
        spelled = ", ".join(f"`{name}`" for name in sorted(one.opts, key=len, reverse=True))
        taken = "" if one.is_flag else f" {one.name.upper()}"
        around = f" Environment: `{one.envvar}`." if one.envvar else ""
        rows.append((f"{spelled}{taken}", f"{_cleaned(one.help)}{_default(one)}{around}"))
    rows.append(("`--help`, `-h`", "Show this message and exit."))
    return _table(("Option", "Meaning"), rows)


def _default(one: Any) -> str:  # noqa: ANN401 - likewise
    if one.default in (None, False) or one.required:
        return ""
    return f" Default: `{one.default}`."


def _params(command: Any, kind: str) -> list[Any]:  # noqa: ANN401 - likewise
    return [one for one in command.params if one.param_type_name == kind]


PAGES: dict[str, Callable[[], str]] = {
    "system-file.md": system_file,
    "commands.md": commands,
    "answers.md": answers,
    "audit-rules.md": audit_rules,
    "facts.md": told_facts,
    "fault-kinds.md": fault_kinds,
    "drill-report.md": drill_report,
    "drill-report.schema.json": drill_schema,
}
"""What writes each page."""

if __name__ == "__main__":
    main()

"""Everything Mainstay raises on purpose, and the exit code that each becomes.

::

    MainstayError              1
    ├── SpecError              3  you: a value that cannot be (raised when a spec is built)
    │   └── SystemFileError    3  you: the system file, all its problems at once
    │       └── OtherFileError 3  you: another file that was named, likewise
    ├── Refused                1  we: not sent at all; carries `retry_after`
    ├── GaveUp                 1  they: tried and failed; carries the attempts
    ├── CanaryRejected         1  they: a new instance was not as good as the others; carries the figures
    ├── TooLarge               1  a structure is larger than was allowed; nothing is said of it
    ├── NotRunning             4  no supervisor answers for this system
    ├── AlreadyRunning         5  another supervisor holds this system
    └── EnvironmentProblem     6  the machine: a port in use, a command not found, a folder not writable
        └── EngineError        6  other software failed; always raised `from` its exception

Messages say what was found, what was allowed, and where: lower case, no full stop.
"""

from typing import Any, NamedTuple

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "it ran, and the answer is no: an instance would not start, a demonstration or a drill came out differently",
    2: "the command line was wrong; of `drill run`, `show` and `chaos`: the drills could not be run, or were halted",
    3: "the system file is wrong",
    4: "nothing is running for this system, or it does not answer",
    5: "this system is already running",
    6: "the machine is in the way: port in use, command not found, folder not writable",
    70: "a bug in Mainstay; please report it",
    130: "interrupted (Ctrl-C) before it was done; `up` that Ctrl-C has stopped has done what it was asked: 0",
}
"""What each exit code of the command means; the reference is generated from here."""


class MainstayError(Exception):
    """The root of what Mainstay raises on purpose."""

    exit_code = 1


class SpecError(MainstayError):
    """A value that cannot be: `services.api.retry.attempts must be above 0, not 0`."""

    exit_code = 3


class Problem(NamedTuple):
    """One thing wrong with a system file, and where."""

    line: int
    """Line in the file, from 1; 0 when it is about the file as a whole."""
    column: int
    """Column in the line, from 1; 0 when it is about the file as a whole."""
    path: str
    """Where in the document: `services.web.retry.attempts`."""
    message: str
    """What was found and what was allowed."""


class SystemFileError(SpecError):
    """A system file that cannot be used, with every problem that was found in it."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """Give one line a problem, in the `file:line:column: path: message` form editors can follow."""
        return [
            ": ".join(
                part
                for part in (
                    f"{self.file}:{p.line}:{p.column}" if p.line else self.file,
                    p.path,
                    p.message,
                )
                if part
            )
            for p in self.problems
        ]


class OtherFileError(SystemFileError):
    """Another file that was named, such as a fault tree, with every problem that was found in it."""


class Refused(MainstayError):
    """We did not send it: nothing can have happened. Try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class GaveUp(MainstayError):
    """It was tried, and every attempt that was allowed failed."""

    def __init__(self, message: str, attempts: int) -> None:
        super().__init__(message)
        self.attempts = attempts


class CanaryRejected(MainstayError):
    """A new instance was not seen to be as good as the others, and has been taken back; carries the figures."""

    def __init__(self, message: str, figures: dict[str, Any]) -> None:
        super().__init__(message)
        self.figures = figures


class TooLarge(MainstayError):
    """A structure is larger, or takes longer, than was allowed: the bound is told, and nothing is guessed."""


class NotRunning(MainstayError):
    """Nothing is running for this system, or it does not answer."""

    exit_code = 4


class AlreadyRunning(MainstayError):
    """Another supervisor holds this system."""

    exit_code = 5


class EnvironmentProblem(MainstayError):
    """The machine is in the way: a port in use, a command not found, a folder that cannot be written."""

    exit_code = 6


class EngineError(EnvironmentProblem):
    """Other software that Mainstay runs has failed; raised `from` what it said."""

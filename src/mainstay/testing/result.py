"""What a drill has shown, as a test asks for it."""

from dataclasses import dataclass
from typing import Any

from mainstay.drill.verdict import SURVIVED


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """One drill that was played. It is true if it came out as the system file expects."""

    record: dict[str, Any]
    """Its line of the report, with everything that was measured."""

    @property
    def survived(self) -> bool:
        """Whether no request failed, and answers took about as long as without the fault."""
        return self.verdict == SURVIVED

    @property
    def verdict(self) -> str:
        """The verdict on what was measured, in one word: `SURVIVED`, `OUTAGE`, …; whether or not that is accepted."""
        return str(self.record["measured"])

    @property
    def met(self) -> bool:
        """Whether it is as the system file's `drills.expect` allows, or `drills.accept` accepts."""
        return bool(self.record["met"])

    @property
    def because(self) -> str:
        """The reason for the verdict, in one sentence with its numbers."""
        return str(self.record["because"])

    @property
    def sent(self) -> int:
        """How many requests were sent from the fault on."""
        return int(self.record["sent"])

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return int(self.record["failed"])

    @property
    def gap(self) -> float:
        """The longest time in which every request failed, in seconds."""
        return float(self.record["gap"])

    def __bool__(self) -> bool:
        return self.met

    def __repr__(self) -> str:
        return f"<{self.record['cell']} {self.verdict}: {self.because}>"

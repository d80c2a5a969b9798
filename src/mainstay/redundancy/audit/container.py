"""A service of a Compose file, as the audit sees it: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HEALTHY, COMPLETED = "service_healthy", "service_completed_successfully"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What is said of the containers of one service."""

    replicas: int = 1
    image: str = ""
    """The image as it is written; empty when it is only built."""
    built: bool = False
    """Whether it is built from source beside the file."""
    checked: bool = False
    """Whether a health check is told."""
    unchecked: bool = False
    """Whether the health check is switched off."""
    restart: str = ""
    """When it is started again; empty or `no`: never."""
    waits: Mapping[str, str] = field(default_factory=dict)
    """Each service of `depends_on` with its condition."""
    writes: tuple[str, ...] = ()
    """Named volumes that it may write to."""
    ports: tuple[str, ...] = ()
    """Ports of the host that it takes, where one is told."""
    once: bool = False
    """Whether others wait for its end: it is a task, and not kept running."""
    source: bool = False
    """Whether it runs what a developer is writing: built, with the source mounted into it, or of a profile for that."""

    @property
    def restarts(self) -> bool:
        """Tell whether it is started again when it exits."""
        return self.restart not in ("", "no", "none")

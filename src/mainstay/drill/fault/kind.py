"""The kinds of fault: what each does to what it is aimed at, and how it ends.

The reference of faults is generated from here. Names are those that the field knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from types import MappingProxyType

from mainstay.base.errors import SpecError

INSTANCE = "instance"
"""Aimed at one instance of a service; the others are there to take over."""
SERVICE = "service"
"""Aimed at all of a service, as whoever needs it sees its loss."""
ZONE = "zone"
"""Aimed at every instance in a zone at the same time."""
SYSTEM = "system"
"""Aimed at Mainstay itself."""
AIMS = (INSTANCE, SERVICE, ZONE, SYSTEM)

CRASH = "crash"
OMISSION = "omission"
TIMING = "timing"
RESPONSE = "response"
RESOURCE = "resource"
OPERATION = "operation"
CLASSES: dict[str, str] = {
    CRASH: "a part ends, and everybody can see that it has",
    OMISSION: "a part is there and says nothing",
    TIMING: "a part answers, and too late",
    RESPONSE: "a part answers wrongly, or with half an answer",
    RESOURCE: "a part runs out of what it needs",
    OPERATION: "what an operator does on purpose, and the loss of Mainstay's own processes",
}
"""The failure classes of Cristian (1991) and of Powell (1992), with two more for what operators meet."""

PROCESS = "process"
TRAFFIC = "traffic"
HOLD = "hold"
ACT = "act"
PLUGGED = "plugged"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    name: str
    title: str
    """What it is, in a table: `kill -9`."""
    family: str
    """Which of `CLASSES` it is in: what is known of one of a class says something of the others."""
    does: str
    """What it does, for the reference."""
    undone: str
    """How it ends."""
    aim: str
    """What it is aimed at: `INSTANCE`, `SERVICE`, `ZONE` or `SYSTEM`."""
    means: str = PLUGGED
    """How it is done: `HOLD` by a process that holds it, `TRAFFIC` on the gateway's legs, `ACT` by a command, and
    `PLUGGED` by what an entry point gives."""
    parameters: Mapping[str, float | int | str] = field(default_factory=lambda: MappingProxyType({}))
    """What it is told unless the drill says otherwise; seconds, shares and bytes."""
    acts_as: str = ""
    """What the means know it by, where that is another name."""
    quick: bool = False
    """Whether it belongs to the few that say most in little time."""
    lasts: bool = True
    """Whether it goes on until it is undone; otherwise it is over as soon as it is done, and what it broke is mended
    by Mainstay."""
    own: bool = False
    """Whether it needs a process of ours: what others run at `addresses` cannot be killed."""

    http: bool = False
    """Whether it is about messages of HTTP, which a TCP listener does not see."""

    @property
    def order(self) -> str:
        """What the means know it by."""
        return self.acts_as or self.name


_STARTED = "the supervisor starts it again"
_GOES_ON = "SIGCONT: it goes on where it was"

_process = partial(Kind, aim=INSTANCE, means=HOLD, own=True)
_traffic = partial(Kind, aim=INSTANCE, means=TRAFFIC, undone="the gateway lets everything through again")
_answer = partial(_traffic, http=True)

_ALL = (
    _process(
        "kill", "kill -9", CRASH,
        "SIGKILL to every process of the instance: it ends in the middle of whatever it does.",
        _STARTED, quick=True, lasts=False,
    ),
    _process(
        "stop", "graceful stop", CRASH,
        "SIGTERM to every process of the instance, as an operator or a host that shuts down sends it.",
        _STARTED, lasts=False,
    ),
    _process(
        "freeze", "frozen", OMISSION,
        "SIGSTOP to every process of the instance: the kernel goes on taking connections for it, and nobody answers.",
        _GOES_ON, quick=True,
    ),
    _process(
        "crash-loop", "crash loop", CRASH,
        "SIGKILL to the instance, and to each new life of it as soon as there is one.",
        "its next life is let be",
    ),
    _process(
        "slow-start", "slow start", TIMING,
        "SIGKILL to the instance; its next life is stopped (SIGSTOP) as soon as there is one, and starts only later.",
        _GOES_ON, parameters={"delay": 2.0},
    ),
    _process(
        "cpu", "processor busy", RESOURCE,
        "A process for each processor that does nothing but compute, as nice as the instance. All that runs on the"
        " machine feels it, the gateway as well.",
        "they end",
    ),
    _process(
        "memory", "no more memory", RESOURCE,
        "The address space of the instance's processes (RLIMIT_AS) is limited to what they have: who asks for more"
        " gets none, as Python tells by MemoryError, and Node ends by. Who has enough does not notice.",
        "the limit is as it was",
    ),
    _process(
        "files", "no file descriptors", RESOURCE,
        "The instance's limit of open files (RLIMIT_NOFILE) is set to as many as it has open: it can open nothing"
        " more, and accept no connection. Those that it has go on.",
        "the limit is as it was",
    ),
    _process(
        "disk", "disk full", RESOURCE,
        "A file takes all that is free in the service's `drills.disk` folder, which must be a file system of its own,"
        " and at most `most` bytes. Not while the system itself runs beside its copy, unless `drills.env` names the"
        " folder: only the copy uses it then.",
        "the file is removed", aim=SERVICE, parameters={"most": 2**30},
    ),
    _process(
        "clock", "clock jump", TIMING,
        "The clock that the instance sees jumps; the monotonic one does not. In a private copy only, whose service is"
        " started with libfaketime, which has to be installed. What does not ask libc for the time, as programs in Go,"
        " does not see it.",
        "the clock is right again", parameters={"by": 3600.0},
    ),
    _traffic(
        "latency", "slow", TIMING,
        "What the instance sends arrives later.", parameters={"delay": 1.0}, quick=True,
    ),
    _traffic(
        "ramp", "slower and slower", TIMING,
        "As `latency`, growing from nothing.", acts_as="latency", parameters={"delay": 1.0, "ramp": 2.0},
    ),
    _answer(
        "errors", "answers 503", RESPONSE,
        "Requests to the instance are answered with a status of 5xx.",
        parameters={"status": 503, "share": 1.0}, quick=True,
    ),
    _answer(
        "some-errors", "fails 30 % with 500", RESPONSE,
        "As `errors`, for some of the requests.", acts_as="errors", parameters={"status": 500, "share": 0.3},
    ),
    _answer(
        "reset", "connections reset", CRASH,
        "The connection ends when the request has been sent, before an answer.", parameters={"share": 1.0},
    ),
    _answer(
        "truncate", "half an answer", RESPONSE,
        "The connection ends in the middle of the answer.", parameters={"share": 1.0}, quick=True,
    ),
    _answer(
        "stall", "stalls in mid-answer", OMISSION,
        "Nothing more comes from the middle of the answer on, and the connection stays.", parameters={"share": 1.0},
    ),
    _answer(
        "wrong-length", "wrong length", RESPONSE,
        "The answer announces more bytes than come.", parameters={"share": 1.0},
    ),
    _traffic(
        "bandwidth", "narrow", TIMING,
        "So many bytes a second go over each connection.", parameters={"rate": 2048},
    ),
    _traffic(
        "refuse", "connection refused", CRASH,
        "Connections end, and new ones are refused.",
    ),
    _traffic(
        "silent", "accepts and says nothing", OMISSION,
        "Connections are made, and nothing is ever answered on them.",
    ),
    _traffic(
        "loss", "packet loss", TIMING,
        "Pieces of what is sent are lost, and sent again after a retransmission timeout.",
        parameters={"share": 0.2},
    ),
    _traffic(
        "partition", "cut off", OMISSION,
        "Nothing arrives in either direction; connecting takes until the time for it is over.",
        parameters={"direction": "both"},
    ),
    _traffic(
        "partition-to", "hears nothing", OMISSION,
        "Nothing that is sent to the instance arrives; what it sends does.",
        acts_as="partition", parameters={"direction": "to"},
    ),
    _traffic(
        "partition-from", "is not heard", OMISSION,
        "Nothing that the instance sends arrives; what is sent to it does.",
        acts_as="partition", parameters={"direction": "from"},
    ),
    _traffic(
        "dns", "name unknown", CRASH,
        "The look-up of an address's name fails, for new connections.",
    ),
    _traffic(
        "dependency-down", "all of it down", CRASH,
        "As `refuse`, at every instance. Users come to those services that need it, not to itself.", acts_as="refuse", aim=SERVICE,
    ),
    _traffic(
        "dependency-slow", "all of it slow", TIMING,
        "As `latency`, at every instance. Users come to those services that need it, not to itself.", acts_as="latency", aim=SERVICE, parameters={"delay": 1.0},
    ),
    _process(
        "zone-kill", "zone killed", CRASH,
        "As `kill`, for every instance in the zone at the same time.", _STARTED,
        acts_as="kill", aim=ZONE, quick=True, lasts=False,
    ),
    _process(
        "zone-freeze", "zone frozen", OMISSION,
        "As `freeze`, for every instance in the zone at the same time.", _GOES_ON, acts_as="freeze", aim=ZONE,
    ),
    _traffic(
        "zone-cut", "zone cut off", OMISSION,
        "As `partition`, for every instance in the zone at the same time.",
        acts_as="partition", aim=ZONE, parameters={"direction": "both"},
    ),
    _process(
        "worker-kill", "gateway worker killed", OPERATION,
        "SIGKILL to a gateway worker: the requests that it has under way end with it.",
        "the supervisor starts another", acts_as="kill", aim=SYSTEM, lasts=False,
    ),
    _process(
        "supervisor-kill", "supervisor killed", OPERATION,
        "SIGKILL to the supervisor; services and gateway workers go on without it.",
        "`mainstay up` takes over what it left", aim=SYSTEM,
    ),
    Kind(
        "reload", "reloaded", OPERATION,
        "The system file is read again, four times.", "nothing to undo", aim=SYSTEM, means=ACT, lasts=False,
    ),
    Kind(
        "rolling", "rolling restart", OPERATION,
        "Every instance of the service is replaced, one after another.", "nothing to undo", aim=SERVICE, means=ACT,
        lasts=False, own=True,
    ),
    Kind(
        "certificate", "certificate renewed", OPERATION,
        "Every certificate that clients are shown has a day left, and is renewed when that has been told; the drill sees"
        " that new connections get the new one. In a private copy only, with certificates that `openssl` makes for it.",
        "nothing to undo", aim=SYSTEM, means=ACT, lasts=False,
    ),
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
"""All kinds by name, in the order in which they are shown and run."""


def kind_of(name: str, known: Mapping[str, Kind] = KINDS) -> Kind:
    """Give a kind by its name.

    Raises:
        SpecError: there is no such kind; tells the nearest.
    """
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise SpecError(f"no fault '{name}'; there are: {', '.join(known)}{hint}")
    return known[name]

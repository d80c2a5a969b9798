"""The instances of one service: filling its slots, replacing one after another, growing and shrinking."""

from collections.abc import Callable, Iterator, Sequence

from mainstay.base.errors import CanaryRejected, MainstayError
from mainstay.base.units import format_duration
from mainstay.redundancy.canary import CanarySpec, Verdict
from mainstay.redundancy.zone import spread
from mainstay.supervisor.context import Context
from mainstay.supervisor.launch import Post
from mainstay.supervisor.plan import resize
from mainstay.supervisor.report import Report
from mainstay.supervisor.row import why_not_ready
from mainstay.supervisor.runner import Runner
from mainstay.supervisor.trial import Trial
from mainstay.supervisor.unit import RESTING
from mainstay.system.schema import Service

Told = Callable[[Report], None]


def _nobody(report: Report) -> None:
    del report


class Replicas:
    """All instances of one service."""

    def __init__(self, context: Context, name: str, service: Service, want: int) -> None:
        self.name = name
        self.service = service
        """What new instances are started as."""
        self.zones: Sequence[str] = context.system.zones
        """What they are spread over."""
        self.want = want
        """How many instances there are to be."""
        self.slots: dict[int, Runner] = {}
        """The instance in each slot, numbered from 1."""
        self.beside: list[Runner] = []
        """Those besides: replacements that are not ready yet, and what is no longer wanted and is ending."""
        self._context = context

    def __iter__(self) -> Iterator[Runner]:
        """Go through all instances, those besides included, in the order of their slots."""
        return iter(sorted([*self.slots.values(), *self.beside], key=lambda runner: runner.post.slot))

    def post(self, slot: int) -> Post:
        """Give what a slot is to be filled with."""
        return Post(self.name, self.service, slot, spread(slot, self.zones)[-1])

    def fill(self) -> None:
        """Put an instance in every empty slot; they wait to be begun."""
        for slot in resize(self.slots, self.want).start:
            self.slots[slot] = Runner(self._context, self.post(slot))

    def forget(self) -> None:
        """Have no instances any more; those there were are somebody else's now."""
        self.slots.clear()
        self.beside.clear()

    def see_off(self) -> None:
        """Have those besides end, without waiting for it."""
        for runner in self.beside:
            runner.stop()
            self._context.start(self._see_off(runner))

    def define(self, service: Service, zones: Sequence[str]) -> None:
        """Start new instances as this definition of the service says; those that run are as they were."""
        self.service = service
        self.zones = zones

    def configure(self) -> None:
        """Treat those that run as the definition says, too."""
        for slot, runner in self.slots.items():
            runner.configure(self.post(slot))

    async def roll(self, canary: CanarySpec | None = None, told: Told = _nobody) -> None:
        """Replace all instances, one slot after the other, the replacement ready before the old one goes.

        Of a service that takes no traffic the old one goes first: nobody would be left unanswered, and two
        that do the same work at once may do harm.

        Args:
            canary: How long to watch the first replacement before any old one goes; None: not at all.
            told: Takes the figures by which it was found well.

        Raises:
            CanaryRejected: the first replacement was not seen to be as good as the others; all is as it was.
            MainstayError: a replacement did not become ready; the old one stays, and so do those after it.
        """
        slots = sorted(self.slots)
        if canary is not None:
            told(await self._try(slots.pop(0), canary))
        for slot in slots:
            await self._renew(slot)

    def misfits(self, service: Service, zones: Sequence[str]) -> list[int]:
        """Give the slots whose instance was not started as a definition of the service says."""
        return [
            slot
            for slot, runner in sorted(self.slots.items())
            if not runner.fits(Post(self.name, service, slot, spread(slot, zones)[-1]))
        ]

    async def renew(self, want: int) -> None:
        """Replace the instances in slots up to `want` that were not started as the definition says, as `roll` does."""
        for slot in self.misfits(self.service, self.zones):
            if slot <= want:
                await self._renew(slot)

    async def _renew(self, slot: int) -> None:
        takes_traffic = self.slots[slot].post.service.listen is not None
        await (self._replace(slot) if takes_traffic else self._restart(slot))

    async def clear(self) -> None:
        """Have no instances: what is in progress ends, then they are stopped."""
        self.want = 0
        await self._withdraw(list(self.slots))

    async def resize(self, want: int) -> None:
        """Have as many instances as wanted: new ones ready, or surplus ones drained and stopped.

        Raises:
            MainstayError: a new instance did not become ready; then there are as many as before.
        """
        before, change = self.want, resize(self.slots, want)
        self.want = want
        self.fill()
        try:
            await self._begin([self.slots[slot] for slot in change.start])
        except MainstayError:
            self.want = before
            await self._withdraw(change.start)
            raise
        await self._withdraw(change.stop)

    async def _begin(self, runners: list[Runner]) -> None:
        for runner in runners:
            runner.begin()
        await self._context.until(
            lambda: any(map(_failed, runners)) or all(runner.is_ready for runner in runners)
        )
        for runner in runners:
            if _failed(runner):
                raise MainstayError(why_not_ready(self._context, runner))

    async def _withdraw(self, slots: list[int]) -> None:
        leaving = [self.slots.pop(slot) for slot in slots]
        self.beside += leaving
        await self._end(leaving)

    async def _replace(self, slot: int) -> None:
        new = await self._add(slot)
        await self._supersede(slot, new)

    async def _try(self, slot: int, spec: CanarySpec) -> Report:
        """Replace an instance only if the new one was found well beside it; until then both have traffic."""
        new = await self._add(slot, on_trial=True)
        report = await Trial(self._context, new, spec).run()
        if report.verdict is not Verdict.WELL:
            await self._end([new])
            raise CanaryRejected(_rejection(report, spec), report.record())
        new.on_trial = False
        if new.record is not None:
            new.record.on_trial = False
        await self._supersede(slot, new)
        self._context.save()
        return report

    async def _add(self, slot: int, *, on_trial: bool = False) -> Runner:
        """Have another one in a slot, beside the one that is there, and ready."""
        new = Runner(self._context, self.post(slot))
        new.on_trial = on_trial
        self.beside.append(new)
        try:
            await self._begin([new])
        except MainstayError:
            await self._end([new])
            raise
        return new

    async def _supersede(self, slot: int, new: Runner) -> None:
        # Without a pause in between: whoever looks finds one instance in the slot, the new one.
        old, self.slots[slot] = self.slots[slot], new
        self.beside.remove(new)
        self.beside.append(old)
        await self._end([old])

    async def _restart(self, slot: int) -> None:
        old, new = self.slots[slot], Runner(self._context, self.post(slot))
        self.slots[slot] = new
        self.beside.append(old)
        await self._end([old])
        await self._begin([new])

    async def _end(self, runners: list[Runner]) -> None:
        for runner in runners:
            runner.stop()
        await self._context.until(lambda: all(runner.is_over for runner in runners))
        for runner in runners:
            self.beside.remove(runner)
        self._context.wake()

    async def _see_off(self, runner: Runner) -> None:
        await self._context.until(lambda: runner.is_over, to_the_end=True)
        self.beside.remove(runner)
        self._context.wake()


def _rejection(report: Report, spec: CanarySpec) -> str:
    told = [f"{report.instance} {report.because}: the new instance was taken back, and no other was replaced"]
    if report.verdict is Verdict.UNKNOWN:
        told[0] += f"; {spec.requests} were to come within {format_duration(spec.watch)}"
    return "\n".join([*told, *report.lines()])


def _failed(runner: Runner) -> bool:
    return runner.unit.failures > 0 or runner.unit.state is RESTING or runner.is_over

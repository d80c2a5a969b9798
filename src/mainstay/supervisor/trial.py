"""A canary: one new instance, in rotation beside the others, watched until it is known whether it is as good as they are."""

import asyncio
import contextlib

from mainstay.redundancy.canary import CanarySpec, Judgement, Score, Verdict, judge, together
from mainstay.redundancy.health import DOWN
from mainstay.supervisor.context import Context
from mainstay.supervisor.report import Report
from mainstay.supervisor.runner import Runner

_LOOK = 0.25
"""Seconds between two looks; workers tell what they have counted twice a second."""

Lives = dict[tuple[str, int], Score]


class Trial:
    """A runner on trial; it is ready when this begins."""

    def __init__(self, context: Context, runner: Runner, spec: CanarySpec) -> None:
        self._context = context
        self._runner = runner
        self._spec = spec
        self._record = runner.record
        self._life = (runner.post.instance, runner.unit.generation)
        self._since = context.clock.now()
        self._before = self._scores()

    async def run(self) -> Report:
        """Watch it until there is a verdict, or the time is up.

        Raises:
            Refused: the system is being stopped.
        """
        while True:
            elapsed = self._context.clock.now() - self._since
            canary, others = self._canary(), self._others()
            judgement = self._judge(elapsed, canary, others)
            if judgement.verdict is not Verdict.UNKNOWN or elapsed >= self._spec.watch:
                return Report(*self._life, *judgement, elapsed, canary, others)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._context.until(lambda: bool(self._ill()))

    def _judge(self, elapsed: float, canary: Score, others: Score) -> Judgement:
        if ill := self._ill():
            return Judgement(Verdict.WORSE, ill)
        return judge(self._spec, elapsed, canary, others)

    def _ill(self) -> str:
        """Say what is wrong with it whatever the traffic shows; nothing, if it lives."""
        runner, watch = self._runner, self._runner.watch
        if runner.record is not self._record:
            exits = self._context.state.instance(runner.post.instance).exits
            mine = [one.reason for one in exits if one.generation == self._life[1]]
            return f"has ended ({mine[-1]})" if mine else "has ended"
        if watch is not None and watch.frozen:
            return "is frozen"
        if watch is not None and watch.health.state is DOWN:
            return f"fails its health checks ({watch.last.said})" if watch.last else "fails its health checks"
        return ""

    def _scores(self) -> Lives:
        return dict(self._context.gate.scores(self._runner.post.name))

    def _canary(self) -> Score:
        return self._scores().get(self._life, Score())

    def _others(self) -> Score:
        """Give what the others were asked since it is there."""
        return together(
            score.since(self._before.get(life, Score()))
            for life, score in self._scores().items()
            if life != self._life
        )

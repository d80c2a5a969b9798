"""A canary: one new instance, in rotation beside the others, watched until it is known whether it is as good as they are."""

import asyncio
import contextlib
from typing import Any, NamedTuple

from mainstay.base.histogram import quantile
from mainstay.base.units import format_duration
from mainstay.redundancy.canary import CanarySpec, Judgement, Score, Verdict, judge, together
from mainstay.redundancy.health import DOWN
from mainstay.supervisor.context import Context
from mainstay.supervisor.runner import Runner

_LOOK = 0.25
"""Seconds between two looks; workers tell what they have counted twice a second."""

Lives = dict[tuple[str, int], Score]


class Report(NamedTuple):
    """How a trial ended, and by which figures."""

    instance: str
    generation: int
    verdict: Verdict
    because: str
    """In words that follow the instance's name."""
    seconds: float
    """How long it was watched."""
    canary: Score
    others: Score

    def lines(self) -> list[str]:
        """Give the figures for people."""
        return lines(self.record())

    def record(self) -> dict[str, Any]:
        """Give it as plain values; times in seconds."""
        return {
            "instance": self.instance,
            "generation": self.generation,
            "verdict": self.verdict.value,
            "because": self.because,
            "seconds": round(self.seconds, 3),
            "canary": _figures(self.canary),
            "others": _figures(self.others),
        }


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


def _figures(score: Score) -> dict[str, Any]:
    return {
        "requests": score.requests,
        "failures": score.failures,
        "overtaken": score.overtaken,
        "p50": quantile(score.latency, 0.5),
        "p99": quantile(score.latency, 0.99),
    }


def lines(report: dict[str, Any]) -> list[str]:
    """Write the figures of a report for people, a line for the canary and one for the others."""
    within = format_duration(round(report["seconds"], 1))
    return [
        f"canary: {_words(report['canary'])}, within {within}",
        f"others: {_words(report['others'])}",
    ]


def _words(figures: dict[str, Any]) -> str:
    times = [
        f"{name} {format_duration(round(figures[name], 4))}"
        for name in ("p50", "p99")
        if figures[name] is not None
    ]
    late = f"{figures['overtaken']} overtaken by hedges, " if figures["overtaken"] else ""
    return f"{figures['requests']} requests, {figures['failures']} failures, {late}{' '.join(times) or 'no answers'}"

"""How the trial of a canary ended: for programs, and in lines for people."""

from typing import Any, NamedTuple

from mainstay.base.histogram import quantile
from mainstay.base.units import format_duration
from mainstay.redundancy.canary import Score, Verdict


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

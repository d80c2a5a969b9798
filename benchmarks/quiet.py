"""Whether the machine had nothing else to do while something was measured."""

import resource
import time

import psutil

from benchmarks.gateway import meter


class Quiet:
    """What neither we nor our children used, from now on."""

    def __init__(self) -> None:
        self._others = self._busy() - self._ours()
        self._begun = time.monotonic()

    def disturbed(self) -> float:
        """Give the share of the processors' time that others had."""
        took = (time.monotonic() - self._begun) * (psutil.cpu_count() or 1)
        return max(0.0, (self._busy() - self._ours() - self._others) / took)

    @staticmethod
    def _busy() -> float:
        times = psutil.cpu_times()
        return float(times.user + times.system + times.nice + times.irq + times.softirq)

    @staticmethod
    def _ours() -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return ended.ru_utime + ended.ru_stime + meter.cpu(meter.tree([psutil.Process().pid]))

"""All metrics of one running system, made anew from the counts whenever somebody asks."""

import platform
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import InfoMetricFamily
from prometheus_client.registry import Collector

from mainstay import __version__
from mainstay.control import Control
from mainstay.web.metrics.instance import attempts, instances
from mainstay.web.metrics.listener import listeners
from mainstay.web.metrics.objective import objectives
from mainstay.web.metrics.request import requests
from mainstay.web.metrics.worker import certificates, workers


class MetricsOf(Collector):
    """Collects the metrics of one running system."""

    def __init__(self, control: Control, *, instances: bool = True) -> None:
        """Collect from a running system; without `instances` nothing that is by instance, of which there may be many."""
        self._control = control
        self._instances = instances

    def collect(self) -> Iterator[Metric]:
        """Give all metrics as they are now."""
        control = self._control
        served = [name for name, service in control.system.services.items() if service.listen is not None]
        totals = {name: control.tally.totals(name) for name in served}
        yield InfoMetricFamily(
            "mainstay_build",
            "The version that runs.",
            value={"version": __version__, "python": platform.python_version()},
        )
        yield from objectives(control.objectives())
        yield from requests(totals, {name: control.tally.service(name) for name in served})
        if self._instances:
            rows = control.rows()
            yield from attempts(control, totals, rows)
            yield from instances(rows)
        yield from listeners(control)
        yield from certificates(control.certificates())
        yield from workers(control)

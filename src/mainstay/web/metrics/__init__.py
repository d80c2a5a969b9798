"""What Prometheus is told.

Names and units follow Prometheus' conventions: base units, `_total` for what only grows. A life that ends takes none
of its instance's counts with it, and neither does a worker. How many series there are depends on the system file
alone, and on nothing that clients send.
"""

from mainstay.web.metrics.collector import MetricsOf
from mainstay.web.metrics.instance import STATES

__all__ = ["STATES", "MetricsOf"]

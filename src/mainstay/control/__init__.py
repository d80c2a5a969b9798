"""The composition root: one system file in, running rooms out.

Here, and only here, the supervisor learns that there is a gateway and the gateway that there is a
supervisor: lives in rotation become rows of the routing table, workers become supervised processes.
"""

from mainstay.control.control import Control

__all__ = ["Control"]

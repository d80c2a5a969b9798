"""What is installed only on demand, and whether it is: an extra of the package."""

from collections.abc import Iterable
from importlib.util import find_spec

from mainstay.base.errors import EnvironmentProblem
from mainstay.system.schema import System

OTEL = ("opentelemetry.exporter.otlp.proto.http", "opentelemetry.sdk")
"""What `mainstay[otel]` brings."""


def refuse_without(system: System) -> None:
    """Refuse a system that needs an extra which is not installed.

    Raises:
        EnvironmentProblem: it says at which key, and what to install.
    """
    tracing = system.gateway.tracing
    if tracing is not None and tracing.export is not None and not installed(OTEL):
        raise EnvironmentProblem(
            "gateway.tracing.export: OpenTelemetry is not installed; install it by pip install 'mainstay[otel]'"
        )


def installed(modules: Iterable[str]) -> bool:
    """Tell whether there are modules of these names, without importing them."""
    try:
        return all(find_spec(module) is not None for module in modules)
    except ModuleNotFoundError:  # not even what they are in
        return False

"""The matrix as a picture."""

from benchmarks.survival.matrix import Results


def svg(results: Results) -> str:
    """Draw it."""
    return f"<svg xmlns='http://www.w3.org/2000/svg'>{len(results)}</svg>\n"

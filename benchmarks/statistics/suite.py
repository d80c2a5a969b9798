"""`python -m benchmarks statistics`: how often the truth is in the intervals that are told."""

import argparse

from benchmarks.statistics.truth import KINDS, contained

LEAST, MOST = 0.93, 0.97


def main(argv: list[str] | None = None) -> int:
    """Run it; give 0 if every kind is within its bounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks statistics", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args(argv)
    fine = True
    for kind in KINDS:
        share = contained(kind, told.histories, told.seed)
        most = 1.0 if kind.conservative else MOST
        met = LEAST <= share <= most
        fine = fine and met
        print(f"{kind.name:30} {share:7.1%}  bound {LEAST:.0%} to {most:.0%}  {'met' if met else 'MISSED'}")
    return 0 if fine else 1

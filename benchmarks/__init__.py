"""Benchmarks: against peers, in one run, because only ratios carry over from one machine to another."""

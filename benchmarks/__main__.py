"""`make bench`: run all benchmarks."""

from benchmarks.gateway.cost import main

main()

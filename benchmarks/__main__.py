"""`python -m benchmarks`: the gateway against its peers."""

from benchmarks.gateway.suite import main

main()

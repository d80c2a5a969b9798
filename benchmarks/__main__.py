"""`python -m benchmarks`: the gateway against its peers; `python -m benchmarks survival`: what users see of failures."""

import sys

from benchmarks.gateway import suite
from benchmarks.survival import suite as survival

if sys.argv[1:2] == ["survival"]:
    survival.main(sys.argv[2:])
else:
    suite.main()

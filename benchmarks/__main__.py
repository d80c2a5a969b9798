"""`python -m benchmarks`: the gateway against its peers; `survival`: what users see of failures; `load`: what the load of drills holds; `ledger`: a year of it; `statistics`: whether intervals are true; `montecarlo`: the simulator beside SimPy; `structure`: fault trees against published results."""

import sys

from benchmarks.gateway import suite
from benchmarks.ledger import suite as ledger
from benchmarks.load import suite as load
from benchmarks.montecarlo import suite as montecarlo
from benchmarks.statistics import suite as statistics
from benchmarks.structure import suite as structure
from benchmarks.survival import suite as survival

if sys.argv[1:2] == ["survival"]:
    survival.main(sys.argv[2:])
elif sys.argv[1:2] == ["load"]:
    sys.exit(load.main(sys.argv[2:]))
elif sys.argv[1:2] == ["ledger"]:
    sys.exit(ledger.main(sys.argv[2:]))
elif sys.argv[1:2] == ["statistics"]:
    sys.exit(statistics.main(sys.argv[2:]))
elif sys.argv[1:2] == ["montecarlo"]:
    sys.exit(montecarlo.main(sys.argv[2:]))
elif sys.argv[1:2] == ["structure"]:
    sys.exit(structure.main(sys.argv[2:]))
else:
    suite.main()

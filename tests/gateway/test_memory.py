import subprocess
import sys

SCRIPT = """
import ctypes, gc, resource
from mainstay.gateway import memory
ctypes.CDLL(None).mallopt  # what follows says nothing where there is none
memory.prepare()
assert gc.get_threshold()[0] == 50_000
def touch():
    for _ in range(100):
        [bytes(200_000) for _ in range(10)]
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_the_memory_of_pieces_is_there_for_the_next():
    faults = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True).stdout

    # Given back each time, it would be some hundreds for each round.
    assert int(faults) < 1000

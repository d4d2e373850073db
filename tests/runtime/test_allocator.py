"""Memory that was freed is used again, not asked for anew from the operating system."""

import subprocess
import sys

BATCHES = 100
FAULTS = f"""
import resource
from engine.allocator import keep_freed_memory

def batch():
    b"".join([bytes(1500) for _ in range(1000)])

keep_freed_memory()
for _ in range(10):
    batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({BATCHES}):
    batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_batch_takes_the_memory_that_the_last_one_left() -> None:
    told = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(told.stdout) < BATCHES

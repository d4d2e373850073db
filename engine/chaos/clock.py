"""A wall clock that can be set while a daemon runs: eight bytes of a file hold how far it is off.

The daemon under test maps the file into its memory and adds the offset to what `time` tells, so a jump
reaches it between two instructions, as a jump of the system's clock would. Its monotonic clock is not
touched, nor is PostgreSQL's clock.
"""

import mmap
import struct
import time
from pathlib import Path

_OFFSET_NS = struct.Struct("<q")


class ClockFile:
    """The clock of one daemon, as seen by whoever sets it.

    Args:
        path: the file; made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset_s = 0
        self.set(0)

    def set(self, offset_s: int) -> None:
        """Put the clock so many seconds ahead of the machine's; less than 0 is behind."""
        with self.path.open("r+b" if self.path.exists() else "wb") as opened:
            opened.write(_OFFSET_NS.pack(offset_s * 1_000_000_000))
        self.offset_s = offset_s


def shift(path: Path) -> None:
    """Make `time.time` and `time.time_ns` of this process tell what the file says, from now on."""
    with path.open("rb") as opened:
        seen = mmap.mmap(opened.fileno(), _OFFSET_NS.size, access=mmap.ACCESS_READ)
    true_ns = time.time_ns

    def shifted_ns() -> int:
        return true_ns() + int(_OFFSET_NS.unpack_from(seen)[0])

    def shifted_s() -> float:
        return shifted_ns() / 1e9

    vars(time).update(time=shifted_s, time_ns=shifted_ns)

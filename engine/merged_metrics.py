"""The metrics of several processes as one text."""

import re
from collections.abc import Mapping

_SAMPLE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})? (.*)")


def merged(texts: Mapping[int, bytes]) -> bytes:
    """Put texts in the format of Prometheus together, each sample with its process in the label `process`.

    What is told of a metric stands once, all its samples below it.
    """
    families: dict[str, tuple[list[str], list[str]]] = {}
    for process, text in sorted(texts.items()):
        head: list[str] = []
        samples: list[str] = []
        for line in text.decode().splitlines():
            if line.startswith("# HELP "):
                head, samples = families.setdefault(line.split(" ", 3)[2], ([], []))
                head[:] = [line]
            elif line.startswith("#"):
                head[1:] = [line]
            elif match := _SAMPLE.fullmatch(line):
                name, labels, value = match.groups()
                more = f",{labels}" if labels else ""
                samples.append(f'{name}{{process="{process}"{more}}} {value}')
    lines = [line for head, samples in families.values() for line in (*head, *samples)]
    return ("\n".join(lines) + "\n").encode()

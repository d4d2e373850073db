"""Which node should have which workspace: decisions from figures, nothing else.

Theory of operation
-------------------
A workspace whose lease is free goes to the living node that rendezvous hashing prefers, so nodes that look at
the same rows agree without talking; the others wait their turn, in the same order, in case it does not come.

Load is counted in commands per second, and an idle workspace as BASE. The busiest node gives to the least
loaded one, and only what makes the difference between the two clearly smaller: a lone hot workspace stays
where it is. Lest it keep others from sharing, each node has a turn at which it gives as well, if it carries
much more than the least loaded. Nothing moves while the difference is within a share of the mean, so noise
moves nothing, and after a move the same figures ask for no other. Of workspaces that are busy one moves in a
round, because the figures have to show what came of it; idle ones move by the dozen.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter

BASE = 1.0
"""What a workspace counts for that has nothing to do, in commands per second."""
BUSY = 10.0
"""From this load on a workspace is busy."""
GAP_MIN = 1.5 * BASE
GAP_SHARE = 0.3
"""No difference between two nodes matters below this, or below this share of the mean of all."""
GAIN_SHARE = 0.5
"""A move that makes the heir the busier of the two has to help by this share of the load that it moves."""
MOVES_MIN = 16
MOVES_SHARE = 0.125
"""Most workspaces that leave a node in a round: so many, or this share of what it has."""


@dataclass(slots=True, frozen=True)
class NodeLoad:
    """A node that can take workspaces: `load` in commands per second over all its `workspaces`."""

    name: str
    load: float
    workspaces: int

    @property
    def total(self) -> float:
        """What it carries, idle workspaces included."""
        return self.load + BASE * self.workspaces


@dataclass(slots=True, frozen=True)
class Move:
    """A workspace and the node that is to have it."""

    workspace_sid: str
    heir: str


def preference(workspace_sid: str, names: Iterable[str]) -> list[str]:
    """Return the nodes in the order in which they should try to have a workspace (rendezvous hashing)."""
    return sorted(names, key=lambda name: _score(workspace_sid, name), reverse=True)


def _score(workspace_sid: str, name: str) -> tuple[bytes, str]:
    return blake2b(f"{workspace_sid} {name}".encode(), digest_size=8).digest(), name


def spread(mine: Mapping[str, float], others: Sequence[NodeLoad]) -> list[Move]:
    """Return where all workspaces of a node go that is about to stop: the busiest first, each to whoever
    carries least by then. Nowhere, when there is nobody."""
    totals = {node.name: node.total for node in others}
    moves: list[Move] = []
    for workspace_sid in sorted(mine, key=lambda sid: (-mine[sid], sid)):
        if not totals:
            break
        least = min(totals.values())
        heir = preference(workspace_sid, [name for name, total in totals.items() if total <= least])[0]
        totals[heir] += mine[workspace_sid] + BASE
        moves.append(Move(workspace_sid, heir))
    return moves


def balance(
    name: str,
    mine: Mapping[str, float],
    movable: Iterable[str],
    others: Sequence[NodeLoad],
    *,
    has_turn: bool = False,
) -> list[Move]:
    """Return what a node should hand over now so that the load is spread better; mostly nothing.

    Args:
        name: the node's own; of nodes that carry the same, the last by name is the busiest.
        mine: the loads of its workspaces.
        movable: those of them that may move.
        others: the nodes that could take them.
        has_turn: whether it may give without being the busiest.
    """
    mine_total = sum(mine.values()) + BASE * len(mine)
    totals = {node.name: node.total for node in others}
    if not totals:
        return []
    if not has_turn and max((total, other) for other, total in totals.items()) > (mine_total, name):
        return []
    mean = (mine_total + sum(totals.values())) / (len(totals) + 1)
    gap_least = max(GAP_MIN, GAP_SHARE * mean)
    weights = sorted((mine[sid] + BASE, sid) for sid in movable)
    moves: list[Move] = []
    while len(moves) < max(MOVES_MIN, MOVES_SHARE * len(mine)):
        heir = min(totals, key=lambda name: (totals[name], name))
        gap = mine_total - totals[heir]
        chosen = _best(weights, gap) if gap > gap_least else None
        if chosen is None:
            break
        weight, workspace_sid = weights.pop(chosen)
        if weight >= BASE + BUSY:
            weights = [each for each in weights if each[0] < BASE + BUSY]
        mine_total, totals[heir] = mine_total - weight, totals[heir] + weight
        moves.append(Move(workspace_sid, heir))
    return moves


def turn_of(names: Iterable[str], moment_s: float, round_s: float) -> str:
    """Return the node whose turn it is: one after the other, each for a round."""
    ordered = sorted(names)
    return ordered[int(moment_s / round_s) % len(ordered)]


def _best(weights: Sequence[tuple[float, str]], gap: float) -> int | None:
    """Return where the workspace stands whose move leaves the smallest difference, of those that are worth a
    move: of ascending weights it is one of the two next to half of the difference."""
    half = bisect_right(weights, gap / 2, key=itemgetter(0))
    worth = [at for at in (half - 1, half) if 0 <= at < len(weights) and _is_worth(weights[at][0], gap)]
    return min(worth, key=lambda at: abs(gap - 2 * weights[at][0]), default=None)


def _is_worth(weight: float, gap: float) -> bool:
    """Tell whether a move makes the difference smaller by enough of what it moves: by all of it, when the
    other carries no more afterwards."""
    return weight <= gap / 2 or (weight >= BASE + BUSY and gap - weight >= GAIN_SHARE * weight)

"""Where workspaces go: decided from figures alone, so that any figures can be tried."""

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cluster.load import LoadMeter
from engine.cluster.placement import BASE, GAP_MIN, GAP_SHARE, NodeLoad, balance, preference, spread, turn_of

ROUNDS = 60
Loads = dict[str, dict[str, float]]


def test_a_free_workspace_has_one_order_of_nodes_whoever_asks() -> None:
    assert preference("WS1", ["a", "b", "c"]) == preference("WS1", ["c", "a", "b"])


def test_the_first_in_that_order_are_spread_evenly() -> None:
    first = Counter(preference(f"WS{n}", ["a", "b", "c"])[0] for n in range(3_000))
    assert all(900 < times < 1_100 for times in first.values())


def test_when_a_node_leaves_only_its_workspaces_get_another_first() -> None:
    for n in range(100):
        order = preference(f"WS{n}", ["a", "b", "c"])
        order.remove("c")
        assert preference(f"WS{n}", ["a", "b"]) == order


def test_a_node_that_stops_gives_everything_away_by_load() -> None:
    mine = {"hot": 100.0, "warm": 60.0, "cool": 40.0, **{f"idle{n}": 0.0 for n in range(10)}}
    moves = spread(mine, [NodeLoad("a", 0.0, 0), NodeLoad("b", 0.0, 0)])
    assert {move.workspace_sid for move in moves} == mine.keys()
    heirs = {move.workspace_sid: move.heir for move in moves}
    assert heirs["warm"] == heirs["cool"] != heirs["hot"]
    assert Counter(heirs.values()) == {heirs["hot"]: 6, heirs["warm"]: 7} or len(set(heirs.values())) == 2


def test_without_others_there_is_nowhere_to_go() -> None:
    assert spread({"a": 1.0}, []) == []
    assert balance("me", {"a": 1.0, "b": 1.0}, ["a", "b"], []) == []


def test_a_lone_hot_workspace_stays_where_it_is() -> None:
    assert balance("me", {"hot": 1_000.0}, ["hot"], [NodeLoad("b", 0.0, 0)]) == []
    moves = balance("me", {"hot": 1_000.0, "idle": 0.0}, ["hot", "idle"], [NodeLoad("b", 0.0, 0)])
    assert "hot" not in {move.workspace_sid for move in moves}


def test_of_busy_workspaces_one_moves_in_a_round_of_idle_ones_many() -> None:
    busy = {f"WS{n}": 100.0 for n in range(8)}
    assert len(balance("me", busy, busy, [NodeLoad("b", 0.0, 0)])) == 1
    idle = {f"WS{n}": 0.0 for n in range(100)}
    assert len(balance("me", idle, idle, [NodeLoad("b", 0.0, 0)])) > 10


def test_only_the_busiest_gives() -> None:
    mine = {"a": 100.0, "b": 100.0}
    assert balance("me", mine, mine, [NodeLoad("b", 500.0, 2), NodeLoad("c", 0.0, 0)]) == []


def test_a_hot_workspace_that_cannot_move_keeps_no_others_from_sharing() -> None:
    hot = {"hot": 1_000.0}
    busy = {f"WS{n}": 100.0 for n in range(8)}
    world = World({"a": hot, "b": busy, "c": {}}, random.Random(1), noise=0.1)
    assert sum(world.round() for _ in range(ROUNDS)) == 4
    assert sorted(map(len, world.loads.values())) == [1, 4, 4]


def test_what_may_not_move_does_not() -> None:
    mine = {f"WS{n}": 50.0 for n in range(8)}
    moves = balance("me", mine, ["WS3"], [NodeLoad("b", 0.0, 0)])
    assert [move.workspace_sid for move in moves] == ["WS3"]


@dataclass
class World:
    """Nodes that balance in turn, each by what the others have published, which is as old as a round."""

    loads: Loads
    random: random.Random
    noise: float
    rounds: int = 0

    def round(self) -> int:
        """Every node decides and moves once; returns how many workspaces moved."""
        published = {name: self._published(name) for name in self.loads}
        self.rounds += 1
        turn = turn_of(self.loads, self.rounds, 1.0)
        moved = 0
        for name, mine in self.loads.items():
            seen = {sid: self._seen(load) for sid, load in mine.items()}
            others = [node for other, node in published.items() if other != name]
            for move in balance(name, seen, seen, others, has_turn=name == turn):
                self.loads[move.heir][move.workspace_sid] = mine.pop(move.workspace_sid)
                moved += 1
        return moved

    def gap(self) -> float:
        totals = [sum(mine.values()) + BASE * len(mine) for mine in self.loads.values()]
        return max(totals) - min(totals)

    def mean(self) -> float:
        return sum(sum(mine.values()) + BASE * len(mine) for mine in self.loads.values()) / len(self.loads)

    def largest(self) -> float:
        return max((load for mine in self.loads.values() for load in mine.values()), default=0.0) + BASE

    def _published(self, name: str) -> NodeLoad:
        mine = self.loads[name]
        return NodeLoad(name, sum(self._seen(load) for load in mine.values()), len(mine))

    def _seen(self, load: float) -> float:
        return load * self.random.uniform(1 - self.noise, 1 + self.noise)


@pytest.mark.parametrize("seed", range(40))
def test_random_loads_settle_and_stay(seed: int) -> None:
    rolls = random.Random(seed)
    names = [f"node-{n}" for n in range(rolls.randint(2, 6))]
    loads: Loads = {name: {} for name in names}
    for n in range(rolls.randint(1, 120)):
        load = rolls.choice((0.0, 0.0, rolls.expovariate(1 / 20), rolls.uniform(0, 400)))
        loads[rolls.choice(names[: rolls.randint(1, len(names))])][f"WS{n}"] = load
    world = World(loads, rolls, noise=0.1)
    settling = [world.round() for _ in range(ROUNDS)]
    staying = sum(world.round() for _ in range(ROUNDS))
    assert staying <= 2, (settling, staying)
    allowed = max(GAP_MIN, GAP_SHARE * world.mean()) * 1.3
    assert world.gap() <= max(allowed, 1.5 * world.largest()), (world.gap(), world.mean(), world.largest())


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.floats(0, 1_000), max_size=30),
    st.lists(st.tuples(st.floats(0, 5_000), st.integers(0, 50)), min_size=1, max_size=4),
)
def test_no_move_makes_the_difference_greater(
    mine: dict[str, float], figures: list[tuple[float, int]]
) -> None:
    others = [NodeLoad(f"node-{n}", *each) for n, each in enumerate(figures)]
    totals = {node.name: node.total for node in others}
    here = sum(mine.values()) + BASE * len(mine)
    for move in balance("me", mine, mine, others):
        weight = mine[move.workspace_sid] + BASE
        before = here - totals[move.heir]
        here, totals[move.heir] = here - weight, totals[move.heir] + weight
        assert abs(here - totals[move.heir]) < before


def test_the_load_is_right_from_the_first_sample_on_and_follows() -> None:
    meter = LoadMeter()
    meter.sample([("WS1", 500)], 10.0)
    assert meter.loads() == {"WS1": 0.0}
    meter.sample([("WS1", 600)], 11.0)
    assert meter.loads()["WS1"] == pytest.approx(100.0)
    for second in range(12, 42):
        meter.sample([("WS1", 600)], float(second))
    assert meter.loads()["WS1"] < 1.0
    meter.sample([], 43.0)
    assert meter.loads() == {}

from engine.callbacks.lines import Lines


def test_a_receiver_gets_its_items_in_order() -> None:
    lines: Lines[int] = Lines(10, 10)
    for item in range(3):
        lines.add("a", item)
    assert [lines.take() for _ in range(4)] == [("a", 0), ("a", 1), ("a", 2), None]


def test_no_receiver_and_not_all_together_exceed_their_limits() -> None:
    lines: Lines[int] = Lines(3, 2)
    for item in range(3):
        lines.add("a", item)
        lines.add("b", item)
    taken = [lines.take() for _ in range(4)]
    assert taken == [("a", 0), ("b", 0), ("a", 1), None]
    lines.release("a")
    assert lines.take() == ("b", 1)
    lines.release("b")
    assert lines.take() == ("a", 2)
    assert (lines.under_way, lines.waiting) == (3, 1)


def test_a_long_line_does_not_delay_another_receiver() -> None:
    lines: Lines[int] = Lines(2, 1)
    for item in range(100):
        lines.add("busy", item)
    lines.add("quiet", 0)
    assert [lines.take(), lines.take()] == [("busy", 0), ("quiet", 0)]


def test_slots_given_back_after_a_clear_leave_nothing_behind() -> None:
    lines: Lines[int] = Lines(1, 1)
    lines.add("a", 1)
    lines.add("a", 2)
    lines.add("b", 3)
    assert lines.take() == ("a", 1)
    assert sorted(lines.clear()) == [2, 3]
    lines.release("a")
    assert lines.take() is None
    assert (lines.under_way, lines.waiting) == (0, 0)

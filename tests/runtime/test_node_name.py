from pathlib import Path

from engine.runtime.node_name import NodeName


def test_a_daemon_that_comes_back_has_its_name_again(tmp_path: Path) -> None:
    with NodeName(tmp_path / "data") as before:
        name = before.name
    with NodeName(tmp_path / "data") as after:
        assert after.name == name


def test_two_daemons_at_the_same_time_never_share_a_name(tmp_path: Path) -> None:
    with NodeName(tmp_path) as first, NodeName(tmp_path) as second:
        assert first.name != second.name


def test_a_directory_that_cannot_be_written_gives_a_name_for_this_run(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with NodeName(in_the_way) as first, NodeName(in_the_way) as second:
        assert first.name
        assert first.name != second.name

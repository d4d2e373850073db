"""What deploy/ha says fits together, and speaks of settings that the product has."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.settings import Settings
from engine.storage.connecting import addresses

DIRECTORY = Path(__file__).resolve().parents[2] / "deploy" / "ha"
COMPOSE = yaml.safe_load((DIRECTORY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PATRONI = yaml.safe_load((DIRECTORY / "patroni.yml").read_text())
NODES = sorted(name for name in SERVICES if name.startswith("pointsman"))
MEMBERS = sorted(name for name in SERVICES if name.startswith("postgres"))
ETCD = sorted(name for name in SERVICES if name.startswith("etcd"))
FILLED_IN = {
    "POSTGRES_PASSWORD": "secret",
    "POINTSMAN_ACCOUNT_SID": "AC" + "0" * 32,
    "POINTSMAN_AUTH_TOKEN": "token",
    "POINTSMAN_CREDENTIALS_KEY": "A" * 43 + "=",
}


def filled_in(text: str) -> str:
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda match: FILLED_IN[match[1]], text)


@pytest.mark.parametrize("node", NODES)
def test_the_variables_of_a_node_are_those_of_settings_and_name_every_member(
    node: str, tmp_path: Path
) -> None:
    given = {name: filled_in(text) for name, text in SERVICES[node]["environment"].items()}
    settings = Settings.load(environ={**given, "POINTSMAN_DATA_DIR": str(tmp_path)})
    hosts = [re.search(r"@([^/]+)/", address)[1] for address in addresses(settings.database.url)]
    assert hosts == [f"{member}:5432" for member in MEMBERS]
    assert settings.cluster.advertise == f"{node}:8081"


def test_there_are_three_of_each_and_each_has_its_own_disk() -> None:
    assert [len(ETCD), len(MEMBERS)] == [3, 3]
    volumes = [volume.partition(":")[0] for name in (*ETCD, *MEMBERS) for volume in SERVICES[name]["volumes"]]
    assert sorted(volumes) == sorted(COMPOSE["volumes"]) == sorted({*ETCD, *MEMBERS})


def test_members_know_every_etcd_and_themselves() -> None:
    for member in MEMBERS:
        environment = SERVICES[member]["environment"]
        assert environment["PATRONI_ETCD3_HOSTS"] == ",".join(f"'{name}:2379'" for name in ETCD)
        assert environment["PATRONI_NAME"] == SERVICES[member]["hostname"] == member
        assert environment["PATRONI_POSTGRESQL_CONNECT_ADDRESS"] == f"{member}:5432"
    command = SERVICES[ETCD[0]]["command"][-1]
    assert ",".join(f"{name}=http://{name}:2380" for name in ETCD) in command


def test_nothing_acknowledged_can_be_lost_by_a_failover() -> None:
    cluster = PATRONI["bootstrap"]["dcs"]
    assert cluster["synchronous_mode"] is True
    assert cluster["failsafe_mode"] is True
    assert cluster["postgresql"]["parameters"].get("synchronous_commit", "on") == "on"
    assert cluster["loop_wait"] + 2 * cluster["retry_timeout"] <= cluster["ttl"]


def test_all_nodes_fit_into_the_connections_of_a_member() -> None:
    of_one = Settings().database.commit_connections_max + Settings().database.read_connections_max
    most = PATRONI["bootstrap"]["dcs"]["postgresql"]["parameters"]["max_connections"]
    assert len(NODES) * of_one < most / 2


def test_the_image_has_what_patroni_is_told_to_use() -> None:
    image = (DIRECTORY / "Dockerfile").read_text()
    script = Path(PATRONI["bootstrap"]["post_bootstrap"])
    assert f"COPY patroni.yml {script.name} {script.parent}/" in image
    assert os.access(DIRECTORY / script.name, os.X_OK)
    assert SERVICES[MEMBERS[0]]["environment"].keys() >= set(
        re.findall(r"\$\{(\w+):\?", (DIRECTORY / script.name).read_text())
    )

"""What deploy/kubernetes says is valid for Kubernetes, and speaks of things that the product has."""

import re
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from engine import metrics
from engine.api.routes import OPEN_ROUTES
from engine.settings import Settings, sections
from engine.settings_sources import variable_of

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DIRECTORY = DEPLOY / "kubernetes"
OTHERS = {"kustomization.yaml", "prometheus-adapter-values.yaml"}
"""Not documents of the Kubernetes API."""
VERSIONS = ("1.30", kubernetes_validate.latest_version())
MAX_CONNECTIONS = 100
"""What PostgreSQL has by default."""
MOVING_S = 40
"""Handing workspaces over before the drains, leases and connections after them."""

Document = dict[str, Any]


def documents() -> dict[str, Document]:
    found = {}
    for path in sorted(DIRECTORY.glob("*.yaml")):
        if path.name not in OTHERS:
            for document in yaml.safe_load_all(path.read_text()):
                found[document["kind"]] = document
    return found


DOCUMENTS = documents()
DEPLOYMENT = DOCUMENTS["Deployment"]
POD = DEPLOYMENT["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
KUSTOMIZATION = yaml.safe_load((DIRECTORY / "kustomization.yaml").read_text())
KINDS = sorted(DOCUMENTS)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of a pod: the file under the variables."""
    given = {variable["name"]: variable["value"] for variable in CONTAINER["env"] if "value" in variable}
    given |= DOCUMENTS["Secret"]["stringData"]
    given = {name: text.replace("$(POD_IP)", "10.1.2.3") for name, text in given.items()}
    given["POINTSMAN_DATA_DIR"] = str(tmp_path)
    return Settings.load(DIRECTORY / "pointsman.toml", environ=given)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_document_is_valid(kind: str, version: str) -> None:
    kubernetes_validate.validate(DOCUMENTS[kind], version, strict=True)


def test_the_set_is_complete() -> None:
    assert set(KINDS) == {
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Secret",
        "Service",
    }


def test_kustomize_applies_every_file_but_the_example_of_a_secret() -> None:
    files = {path.name for path in DIRECTORY.glob("*.yaml")} - OTHERS - {"secret.example.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files
    for generator in KUSTOMIZATION["configMapGenerator"]:
        assert all((DIRECTORY / name).exists() for name in generator["files"])
    assert {image["name"] for image in KUSTOMIZATION["images"]} == {CONTAINER["image"]}


def test_every_variable_is_that_of_a_setting_and_its_value_is_allowed(settings: Settings) -> None:
    known = {
        variable_of(section, name) for section, model in sections().items() for name in model.model_fields
    }
    named = {variable["name"] for variable in CONTAINER["env"]} - {"POD_IP"}
    named |= DOCUMENTS["Secret"]["stringData"].keys()
    assert named - known == set()
    assert settings.server.host == "0.0.0.0"


def test_a_variable_made_of_another_comes_after_it() -> None:
    names = [variable["name"] for variable in CONTAINER["env"]]
    for variable in CONTAINER["env"]:
        for used in re.findall(r"\$\((\w+)\)", variable.get("value", "")):
            assert names.index(used) < names.index(variable["name"])


def test_what_pods_share_is_in_the_secret() -> None:
    assert DOCUMENTS["Secret"]["stringData"].keys() >= {
        "POINTSMAN_DATABASE_URL",
        "POINTSMAN_ACCOUNT_SID",
        "POINTSMAN_AUTH_TOKEN",
        "POINTSMAN_CREDENTIALS_KEY",
        "POINTSMAN_CLUSTER_SECRET",
    }


def test_ports_are_those_that_the_daemon_listens_on(settings: Settings) -> None:
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports["http"] == settings.server.port
    assert settings.cluster.listen == f"0.0.0.0:{ports['internal']}"
    assert settings.cluster.advertise == f"10.1.2.3:{ports['internal']}"
    used = {port["targetPort"] for port in DOCUMENTS["Service"]["spec"]["ports"]}
    rules = DOCUMENTS["NetworkPolicy"]["spec"]["ingress"]
    used |= {port["port"] for rule in rules for port in rule["ports"]}
    assert used == set(ports)
    annotations = DEPLOYMENT["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["http"])


def test_the_internal_port_is_for_peers_only() -> None:
    rules = DOCUMENTS["NetworkPolicy"]["spec"]["ingress"]
    internal = [rule for rule in rules if {"port": "internal"} in rule["ports"]]
    assert [rule["from"] for rule in internal] == [[{"podSelector": DEPLOYMENT["spec"]["selector"]}]]


def test_probes_and_scraping_ask_paths_that_need_no_credentials() -> None:
    paths = {CONTAINER[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    annotations = DEPLOYMENT["spec"]["template"]["metadata"]["annotations"]
    paths.add(annotations["prometheus.io/path"])
    assert paths == {"/healthz", "/readyz", "/metrics"}
    assert paths <= {route.path for route in OPEN_ROUTES}


def test_only_readiness_depends_on_the_database(settings: Settings) -> None:
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/healthz"
    readiness = CONTAINER["readinessProbe"]
    assert readiness["httpGet"]["path"] == "/readyz"
    assert readiness["timeoutSeconds"] > settings.runtime.commit_timeout_s


def test_a_start_has_time_to_wait_for_the_database(settings: Settings) -> None:
    probe = CONTAINER["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= settings.database.start_timeout_s + 30


def test_a_stop_has_time_to_drain(settings: Settings) -> None:
    pause_s = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    drains_s = 3 * settings.server.shutdown_drain_s
    assert POD["terminationGracePeriodSeconds"] >= pause_s + drains_s + MOVING_S


def test_a_rolling_update_takes_no_pod_away_before_another_is_ready() -> None:
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert DOCUMENTS["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2


def test_all_pods_together_fit_into_the_connections_of_postgresql(settings: Settings) -> None:
    pods = DOCUMENTS["HorizontalPodAutoscaler"]["spec"]["maxReplicas"]
    pods += DEPLOYMENT["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    of_one = settings.database.commit_connections_max + settings.database.read_connections_max
    assert pods * of_one < MAX_CONNECTIONS


def test_selectors_find_the_pods() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    assert DOCUMENTS["Service"]["spec"]["selector"] == labels
    assert DOCUMENTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert DOCUMENTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    target = DOCUMENTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", DEPLOYMENT["metadata"]["name"])


def test_volumes_and_references_exist() -> None:
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert mounts.keys() == volumes.keys()
    generated = {generator["name"] for generator in KUSTOMIZATION["configMapGenerator"]}
    assert volumes["settings"]["configMap"]["name"] in generated
    assert CONTAINER["envFrom"] == [{"secretRef": {"name": DOCUMENTS["Secret"]["metadata"]["name"]}}]
    _, _, config = CONTAINER["args"]
    assert config == f"{mounts['settings']}/pointsman.toml"


def test_the_pod_runs_as_the_user_of_the_image_on_a_root_that_it_cannot_write() -> None:
    image = (DEPLOY / "Dockerfile").read_text()
    uid = int(re.search(r"--uid (\d+)", image)[1])
    assert POD["securityContext"]["runAsNonRoot"]
    assert {POD["securityContext"][name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {uid}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    written = re.search(r"POINTSMAN_DATA_DIR=(\S+)", image)[1]
    assert {written, "/tmp"} <= {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert CONTAINER["resources"]["requests"].keys() == {"cpu", "memory"}


def test_the_metric_of_the_autoscaler_is_one_that_the_daemon_tells() -> None:
    told = {family.name for family in metrics.REGISTRY.collect()}
    [metric] = DOCUMENTS["HorizontalPodAutoscaler"]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert name in told
    values = yaml.safe_load((DIRECTORY / "prometheus-adapter-values.yaml").read_text())
    [rule] = values["rules"]["custom"]
    assert rule["name"]["as"] == name
    assert rule["seriesQuery"].startswith(name + "{")


def test_the_settings_of_the_pods_are_those_that_the_documents_speak_of() -> None:
    told = tomllib.loads((DIRECTORY / "pointsman.toml").read_text())
    assert told["server"]["shutdown_drain_s"] == Settings().server.shutdown_drain_s
    assert told["database"]["start_timeout_s"] == Settings().database.start_timeout_s

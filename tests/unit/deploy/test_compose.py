"""The compose file: valid, pinned, without rights, and it names only what is there."""

import shlex

import compose_spec
import pytest
import yaml

from broker.config import Settings, variables
from tests.support.deployed import BUILT_HERE, DEPLOY, PINNED, compose, image_environment, parsed, settings_of

SERVICES = compose()["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] in BUILT_HERE}
ONE_SHOT = ("topics", "replay")


def test_it_is_a_compose_file():
    read = compose_spec.PyCompose.from_yaml(yaml.safe_dump(compose()))
    read.validate()
    assert {*OURS, "kafka", "valkey", "registry", "prometheus", "grafana"} == set(read.service_names())


def test_a_key_that_compose_does_not_know_would_be_seen():
    with pytest.raises(ValueError, match="imagee"):
        compose_spec.PyCompose.from_yaml("services: {a: {image: b, imagee: 3}}")


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - OURS.keys()))
def test_every_image_is_pinned_to_its_last_number(name):
    assert PINNED.fullmatch(SERVICES[name]["image"])


def test_what_is_ours_is_built_and_never_pulled():
    assert len(OURS) == 4
    for service in OURS.values():
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_has_rights_that_nobody_gave(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "ipc", "devices", "user"} & set(service)
    assert set(service.get("cap_add", [])) <= (
        {"CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"} if name == "valkey" else set()
    )
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", OURS)
def test_ours_write_to_tmp_alone(name):
    assert OURS[name]["read_only"] is True
    assert OURS[name]["tmpfs"] == ["/tmp"]


@pytest.mark.parametrize("name", OURS)
def test_its_variables_are_settings(name):
    environment = OURS[name]["environment"]
    assert set(environment) <= set(variables())
    settings = settings_of(image_environment() | environment)
    host, port = settings.kafka.bootstrap_servers.split(":")
    assert f"PLAINTEXT://{host}:{port}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert settings.redis.url.get_secret_value() == "redis://valkey:6379/0"
    assert settings.registry.url == "http://registry:8081"


@pytest.mark.parametrize("name", OURS)
def test_its_command_is_one(name):
    command = OURS[name].get("command", ["run"])
    assert parsed(command if isinstance(command, list) else shlex.split(command)).info_name


def test_the_files_of_replay_are_mounted():
    (source, target, mode) = OURS["replay"]["volumes"][0].split(":")
    file = OURS["replay"]["command"][1]
    assert mode == "ro"
    assert file.startswith(f"{target}/")
    assert (DEPLOY / source / file.removeprefix(f"{target}/")).is_file()


def test_there_is_time_to_finish_the_batch_in_hand():
    for name in OURS.keys() - set(ONE_SHOT):
        assert float(OURS[name]["stop_grace_period"].removesuffix("s")) > Settings().shutdown_timeout_s


def test_every_named_volume_is_declared_and_every_file_is_mounted_read_only():
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {source for source, *_ in mounts if not source.startswith(".")} == set(compose()["volumes"])
    assert [mount for mount in mounts if mount[0].startswith(".") and mount[2:] != ["ro"]] == []
    assert (DEPLOY / "valkey.conf").is_file()


def test_kafka_and_valkey_keep_their_data_where_their_volumes_are():
    kafka, valkey = SERVICES["kafka"], SERVICES["valkey"]
    assert f"kafka:{kafka['environment']['KAFKA_LOG_DIRS']}" in kafka["volumes"]
    assert f"valkey:{valkey['command'][-1]}" in valkey["volumes"]


def test_nobody_becomes_grafanas_administrator_by_its_first_password():
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert (environment["GF_AUTH_BASIC_ENABLED"], environment["GF_AUTH_DISABLE_LOGIN_FORM"]) == ("false", "true")


def test_every_file_that_is_mounted_is_there():
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert [source for source in mounts if source.startswith(".") and not (DEPLOY / source).exists()] == []


def test_prometheus_scrapes_every_worker_and_grafana_asks_prometheus():
    """They find each other by the names of services, and their files by the paths of mounts."""
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    targets = {target for job in scraped["scrape_configs"] for c in job["static_configs"] for target in c["targets"]}
    assert targets == {f"{name}:{settings_of(image_environment()).http.port}" for name in OURS.keys() - set(ONE_SHOT)}
    assert [rules for rules in scraped["rule_files"] if not (DEPLOY / "prometheus" / rules).is_file()] == []
    provisioned = [yaml.safe_load(file.read_text()) for file in (DEPLOY / "grafana" / "provisioning").rglob("*.y*ml")]
    urls = {source["url"] for told in provisioned for source in told.get("datasources", [])}
    assert urls == {"http://prometheus:9090"}
    paths = [provider["options"]["path"] for told in provisioned for provider in told.get("providers", [])]
    mounts = SERVICES["grafana"]["volumes"]
    assert paths
    assert [path for path in paths if f"./grafana/dashboards:{path}:ro" not in mounts] == []

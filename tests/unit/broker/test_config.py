import pytest

from broker.config import Settings, variables
from broker.errors import StartupError
from broker.settings.routes import Route


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in variables():
        monkeypatch.delenv(name, raising=False)


def test_defaults_need_no_environment():
    settings = Settings.load()
    assert settings.kafka.topics == ("alerts",)
    assert settings.batch.max_size > 0


def test_sections_and_lists_come_from_variables(monkeypatch):
    monkeypatch.setenv("MISWEEPER_KAFKA__TOPICS", "^ztf_.*, alerts")
    monkeypatch.setenv("MISWEEPER_BATCH__MAX_SIZE", "64")
    settings = Settings.load()
    assert settings.kafka.topics == ("^ztf_.*", "alerts")
    assert settings.batch.max_size == 64


@pytest.mark.parametrize("name", ["MISWEEPER_KAFKA__BOOTSTRAP_SERVER", "MISWEEPER_DEVICE", "MISWEEPER_BATCH__SIZE"])
def test_an_unknown_variable_is_named_with_a_remedy(monkeypatch, name):
    monkeypatch.setenv(name, "x")
    with pytest.raises(StartupError, match=name) as error:
        Settings.load()
    assert "misweeper check --list" in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("MISWEEPER_BATCH__MAX_SIZE", "0"), ("MISWEEPER_CLASSIFIER__DEVICE", "tpu"), ("MISWEEPER_KAFKA__TOPICS", " ,")],
)
def test_an_impossible_value_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError, match=name):
        Settings.load()


def test_the_tests_own_variables_are_none_of_the_services(monkeypatch):
    monkeypatch.setenv("MISWEEPER_TEST_KAFKA", "localhost:1")
    Settings.load()


def test_secrets_are_masked(monkeypatch):
    monkeypatch.setenv("MISWEEPER_KAFKA__PASSWORD", "hunter2")
    monkeypatch.setenv("MISWEEPER_REDIS__URL", "redis://:hunter3@localhost/0")
    shown = variables(Settings.load())
    assert "hunter" not in str(shown)
    assert "hunter" not in repr(Settings.load())
    assert shown["MISWEEPER_KAFKA__PASSWORD"] == "**********"


def test_the_client_settings_carry_the_password_only_where_it_is_used(monkeypatch):
    monkeypatch.setenv("MISWEEPER_KAFKA__PASSWORD", "hunter2")
    assert "sasl.password" not in Settings.load().kafka.client()
    monkeypatch.setenv("MISWEEPER_KAFKA__SECURITY_PROTOCOL", "sasl_ssl")
    monkeypatch.setenv("MISWEEPER_KAFKA__USERNAME", "sweeper")
    assert Settings.load().kafka.client()["sasl.password"] == "hunter2"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("KAFKA__GROUP_ID", "", "at least 1 character"),
        ("KAFKA__GROUP_ID", "a\nb", "pattern"),
        ("KAFKA__TOPICS", "^[a", "means different things to different readers"),
        ("KAFKA__TOPICS", "^ztf_\\d+", r"write \[0-9\] for"),
        ("KAFKA__TOPICS", "a,a", "a is named twice"),
        ("KAFKA__TOPICS", "a/b", "is no topic's name"),
        ("KAFKA__TOPICS", "misweeper.anomalies", "misweeper.anomalies is input too"),
        ("KAFKA__TOPICS", "^misweeper[.].*", "misweeper.classifications is input too"),
        ("KAFKA__TOPICS", "^.*letters$", "misweeper.dead-letters is input too"),
        ("KAFKA__SESSION_TIMEOUT_MS", "1000", "greater than or equal to 6000"),
        ("KAFKA__SESSION_TIMEOUT_MS", "99999999", "less than or equal"),
        ("KAFKA__SASL_MECHANISM", "MAGIC", "PLAIN"),
        ("OUTPUTS__ANOMALIES", "misweeper.classifications", "two outputs go to one topic"),
        ("OUTPUTS__DEAD_LETTERS", "a b", "is no name of a topic"),
        ("OUTPUTS__DEAD_LETTERS", "", "is no name of a topic"),
        ("REDIS__TIMEOUT_S", "inf", "finite"),
        ("REDIS__TIMEOUT_S", "nan", "finite"),
        ("REDIS__TIMEOUT_S", "1e30", "less than or equal to 300"),
        ("REDIS__TIMEOUT_S", "0", "greater than 0"),
        ("REDIS__CURVE_TTL_DAYS", "1000000000000", "less than or equal"),
        ("REDIS__PREFIX", "", "at least 1 character"),
        ("REDIS__REBUILD", "never", "'auto' or 'wait'"),
        ("BATCH__MAX_SIZE", "1e12", "integer"),
        ("BATCH__MAX_SIZE", "100000", "less than or equal to 65536"),
        ("CLASSIFIER__THREADS", "1000000000000", "less than or equal to 1024"),
        ("CLASSIFIER__DEVICE", "gpu", "'auto', 'cuda' or 'cpu'"),
        ("LIMITS__MAX_MESSAGE_BYTES", "99999999999", "less than or equal"),
        ("LIMITS__MAX_BATCH_BYTES", "1", "greater than or equal"),
        ("LIMITS__MAX_OBSERVATIONS", "0", "greater than or equal"),
        ("HTTP__PORT", "99999", "less than or equal to 65535"),
        ("WORKER", "", "at least 1 character"),
        ("WORKER", "a\nb", "pattern"),
        ("SHUTDOWN_TIMEOUT_S", "inf", "finite"),
    ],
)
def test_what_cannot_be_is_one_sentence_with_its_name(monkeypatch, name, value, told):
    monkeypatch.setenv(f"MISWEEPER_{name}", value)
    with pytest.raises(StartupError, match=told) as error:
        Settings.load()
    assert "\n" not in str(error.value)
    assert "misweeper check --list" in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MISWEEPER_PORT", "tcp://10.0.0.1:80"),
        ("MISWEEPER_SERVICE_HOST", "10.0.0.1"),
        ("MISWEEPER_SERVICE_PORT", "80"),
        ("MISWEEPER_SERVICE_PORT_HTTP", "80"),
        ("MISWEEPER_PORT_9464_TCP", "tcp://10.0.0.1:9464"),
        ("MISWEEPER_PORT_9464_TCP_ADDR", "10.0.0.1"),
        ("MISWEEPER_REDIS_SERVICE_HOST", "10.0.0.2"),
        ("MISWEEPER_REDIS_PORT", "tcp://10.0.0.2:6379"),
        ("MISWEEPER_REDIS_PORT_6379_TCP_PROTO", "tcp"),
        ("MISWEEPER_REDIS_PORT_6379_TCP_PORT", "6379"),
        ("MISWEEPER_REDIS_SERVICE_HOST", "fd00::12"),
        ("MISWEEPER_PORT", "tcp://[fd00::12]:80"),
    ],
)
def test_what_kubernetes_tells_of_services_named_like_this_one_is_no_setting(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MISWEEPER_REDIS_PORT", "6379"),
        ("MISWEEPER_REDIS_PORT", "tcp://10.0.0.2:6379/0"),
        ("MISWEEPER_REDIS_PORT", "tcp://user:s3cr3t@10.0.0.2:6379"),
        ("MISWEEPER_SERVICE_PORT", "http"),
        ("MISWEEPER_SERVICE_PORT", ""),
        ("MISWEEPER_REDIS_SERVICE_HOST", "redis://10.0.0.2"),
        ("MISWEEPER_REDIS_SERVICE_HOST", "s3cr3t word"),
        ("MISWEEPER_REDIS_PORT_6379_TCP", "10.0.0.2"),
        ("MISWEEPER_REDIS_PORT_6379_TCP_PROTO", "s3cr3t"),
    ],
)
def test_what_is_named_as_kubernetes_does_and_says_something_else_is_a_typo(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError, match=f"{name} is no setting of misweeper") as error:
        Settings.load()
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize("servers", ["kafka:9092", "a_b:9092, [::1]:9092", "PLAINTEXT://h:1,h2", "10.0.0.1"])
def test_what_names_servers_is_taken(monkeypatch, servers):
    monkeypatch.setenv("MISWEEPER_KAFKA__BOOTSTRAP_SERVERS", servers)
    assert Settings.load().kafka.client()["bootstrap.servers"] == servers


def test_the_address_of_the_probes_may_have_its_brackets(monkeypatch):
    monkeypatch.setenv("MISWEEPER_HTTP__HOST", "[::1]")
    assert Settings.load().http.host == "::1"


def test_a_typo_that_looks_like_a_port_of_a_service_is_refused_with_the_nearest_name(monkeypatch):
    monkeypatch.setenv("MISWEEPER_HTTP_PORT", "9464")
    with pytest.raises(StartupError, match=r"did you mean MISWEEPER_HTTP__PORT\?"):
        Settings.load()


def test_a_setting_that_is_gone_says_why(monkeypatch):
    monkeypatch.setenv("MISWEEPER_BATCH__MAX_WAIT_MS", "50")
    with pytest.raises(StartupError, match="is no setting any more: no alert waits for another"):
        Settings.load()


@pytest.mark.parametrize("value", ["x://:hunter2@h/0", "redis://:hunter2/part@host", "hunter2"])
def test_no_secret_is_part_of_an_error(monkeypatch, value):
    monkeypatch.setenv("MISWEEPER_REDIS__URL", value)
    monkeypatch.setenv("MISWEEPER_KAFKA__PASSWORD", "hunter2")
    monkeypatch.setenv("MISWEEPER_REDIS__TIMEOUT_S", "inf")
    with pytest.raises(StartupError) as error:
        Settings.load()
    assert "hunter2" not in str(error.value)


TDES = '[{"topic": "tdes", "where": "class in {TDE}"}]'


def test_routes_come_as_a_list_or_by_name(monkeypatch):
    monkeypatch.setenv("MISWEEPER_OUTPUTS__ROUTES", TDES)
    settings = Settings.load()
    (route,) = settings.outputs.routes.values()
    assert (route.topic, route.content, route.framing, route.where) == (
        "tdes", "classification", "container", "class in {TDE}",
    )  # fmt: skip
    assert settings.outputs.topics == (*settings.outputs.ours, "tdes")
    shown = variables(settings)["MISWEEPER_OUTPUTS__ROUTES"]
    monkeypatch.setenv("MISWEEPER_OUTPUTS__ROUTES", shown)
    assert Settings.load().outputs.routes == settings.outputs.routes, "what is shown may be given again"
    monkeypatch.delenv("MISWEEPER_OUTPUTS__ROUTES")
    monkeypatch.setenv("MISWEEPER_OUTPUTS__ROUTES__0__TOPIC", "tdes")
    monkeypatch.setenv("MISWEEPER_OUTPUTS__ROUTES__0__WHERE", "class in {TDE}")
    assert Settings.load().outputs.routes == settings.outputs.routes
    monkeypatch.setenv("MISWEEPER_OUTPUTS__ROUTES__DESC__TOPIC", "desc")
    monkeypatch.setenv("MISWEEPER_OUTPUTS__ROUTES__DESC__CONTENT", "packet")
    assert set(Settings.load().outputs.routes) == {"0", "desc"}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("", "[", "MISWEEPER_OUTPUTS__ROUTES is .* neither a JSON list nor an object"),
        ("", "5", "neither a list of routes nor an object"),
        ("", '["a"]', "MISWEEPER_OUTPUTS__ROUTES__0 is 'a'"),
        ("", '{"a b": {"topic": "x"}}', "'a b' is no name of a route"),
        ("", '[{"content": "packet"}]', "MISWEEPER_OUTPUTS__ROUTES__0__TOPIC: Field required"),
        ("", '[{"topic": "a", "wher": "anomaly"}]', "MISWEEPER_OUTPUTS__ROUTES__0__WHER is 'anomaly'"),
        ("", '[{"topic": "a", "content": "all"}]', "'classification', 'packet' or 'elasticc'"),
        ("", '[{"topic": "a", "framing": "json"}]', "'wire', 'container', 'schemaless' or 'schema_in_key'"),
        ("", '[{"topic": "a", "content": "packet", "framing": "wire"}]', "no schema of packet has a Confluent id"),
        ("", '[{"topic": "a"}, {"topic": "a"}]', "two outputs go to one topic"),
        ("", '[{"topic": "misweeper.anomalies"}]', "two outputs go to one topic"),
        ("", '[{"topic": "alerts"}]', "the output topic alerts is input too"),
        ("", str([{"topic": f"t{n}"} for n in range(65)]).replace("'", '"'), "65 routes; at most 64"),
        (
            "__TDES__WHERE",
            "class in {TDX}",
            "ROUTES__TDES__WHERE is .*at character 11 of the condition there is 'TDX}'",
        ),
        ("__TDES__TOPIK", "tdes", "ROUTES__TDES__TOPIC: Field required|ROUTES__TDES__TOPIK"),
    ],
)
def test_a_route_that_cannot_be_is_named_with_the_place(monkeypatch, name, value, told):
    monkeypatch.setenv(f"MISWEEPER_OUTPUTS__ROUTES{name}", value)
    if name.endswith("WHERE"):
        monkeypatch.setenv("MISWEEPER_OUTPUTS__ROUTES__TDES__TOPIC", "tdes")
    with pytest.raises(StartupError, match=told) as error:
        Settings.load()
    assert "\n" not in str(error.value)
    assert "misweeper check --list" in str(error.value)


def test_a_route_is_known_by_all_of_it():
    routes = [Route(topic=t, where=w) for t in "ab" for w in ("", "anomaly")]
    assert len({route.digest for route in routes}) == 4
    assert Route(topic="a").digest == routes[0].digest


def test_the_http_servers_login_may_stand_in_a_file_and_is_masked(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("hunter4\n")
    monkeypatch.setenv("MISWEEPER_HTTP__USERNAME", "operator")
    monkeypatch.setenv("MISWEEPER_HTTP__PASSWORD_FILE", str(tmp_path / "password"))
    settings = Settings.load()
    assert settings.http.login == "Basic b3BlcmF0b3I6aHVudGVyNA=="
    assert "hunter4" not in str(variables(settings))
    assert settings.http.host == "127.0.0.1", "nobody else's machine, unless told otherwise"


@pytest.mark.parametrize(
    ("name", "value"), [("USERNAME", "operator"), ("PASSWORD", "hunter4"), ("CA_FILE", "ca.pem"), ("KEY_FILE", "k.pem")]
)
def test_half_of_what_guards_the_http_server_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(f"MISWEEPER_HTTP__{name}", value)
    with pytest.raises(StartupError, match=r"MISWEEPER_HTTP.*set") as error:
        Settings.load()
    assert "hunter4" not in str(error.value)


def test_a_certificate_that_cannot_be_shown_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MISWEEPER_HTTP__CERTIFICATE_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("MISWEEPER_HTTP__KEY_FILE", str(tmp_path / "none.key"))
    with pytest.raises(StartupError, match=r"MISWEEPER_HTTP__CERTIFICATE_FILE.*none\.pem"):
        Settings.load().http.shown("MISWEEPER_HTTP__")

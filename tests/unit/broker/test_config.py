import pytest

from broker.config import Settings, variables
from broker.errors import StartupError


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in variables():
        monkeypatch.delenv(name, raising=False)


def test_defaults_need_no_environment():
    settings = Settings.load()
    assert settings.kafka.topics == ("alerts",)
    assert settings.batch.max_wait_ms > 0


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
    assert Settings.load().kafka.client()["sasl.password"] == "hunter2"

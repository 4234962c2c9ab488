"""Which topic is watched."""

import pytest

from broker.commands.following import Source
from broker.commands.selection import Selection
from broker.commands.watch import Form, read_from
from broker.config import Settings
from broker.errors import StartupError

ALL = Selection(), Form.TABLE


@pytest.fixture
def settings(monkeypatch):
    for name, topic, content, framing in (
        ("TDES", "tdes", "classification", "schemaless"),
        ("DESC", "desc", "elasticc", "container"),
    ):
        for key, value in (("TOPIC", topic), ("CONTENT", content), ("FRAMING", framing)):
            monkeypatch.setenv(f"MISWEEPER_OUTPUTS__ROUTES__{name}__{key}", value)
    return Settings.load()


def test_a_route_is_read_as_it_is_published(settings):
    assert read_from(settings, "tdes", None, *ALL) == Source("tdes", "classification", bare=True)
    assert read_from(settings, "desc", None, *ALL) == Source("desc", "elasticc", bare=False)


def test_else_the_topic_that_is_named_or_all_classifications(settings):
    assert read_from(settings, None, "misweeper.anomalies", *ALL) == Source("misweeper.anomalies")
    assert read_from(settings, None, None, *ALL) == Source("misweeper.classifications")


@pytest.mark.parametrize(
    ("route", "topic", "said"),
    [
        ("[/x]\x1b", None, r"there is no route \[/x\]\\x1b; MISWEEPER_OUTPUTS__ROUTES has tdes, desc"),
        ("tdes", "alerts", "--route names a topic already; leave --topic out"),
    ],
)
def test_what_cannot_be_is_said(settings, route, topic, said):
    with pytest.raises(StartupError, match=said):
        read_from(settings, route, topic, *ALL)


def test_what_a_route_cannot_tell_is_said(settings):
    with pytest.raises(StartupError, match=r"^route desc publishes content=elasticc, which has no flag"):
        read_from(settings, "desc", None, Selection(anomalies=True), Form.TABLE)

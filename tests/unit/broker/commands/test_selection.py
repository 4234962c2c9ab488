"""Which classifications are wanted."""

import math

import pytest

from broker.commands.selection import Selection, class_named, object_named, object_of, survey_listed, with_object
from broker.errors import StartupError


def record(*probabilities, **changes):
    classes = [{"classId": c, "probability": p} for c, p in probabilities or ((42, 0.25), (15, 0.75))]
    return {"objectId": "615", "survey": "ztf", "classifications": classes, "anomaly": False} | changes


@pytest.mark.parametrize(
    ("wanted", "takes"),
    [
        (Selection(), True),
        (Selection(survey="ztf"), True),
        (Selection(survey="rubin"), False),
        (Selection(class_name="TDE"), True),
        (Selection(class_name="SN II"), False),
        (Selection(probability=0.75), True),
        (Selection(probability=0.76), False),
        (Selection(class_name="TDE", probability=0.76), False),
        (Selection(anomalies=True), False),
        (Selection(object="ztf/615"), True),
        (Selection(object="rubin/615"), False),
        (Selection(object="615"), False),
    ],
)
def test_a_classification_is_wanted_where_all_that_is_asked_for_is_so(wanted, takes):
    assert wanted.takes(record()) is takes


def test_flagged_ones_are_anomalies():
    assert Selection(anomalies=True).takes(record(anomaly=True))


def test_a_class_is_asked_for_by_name_or_number_of_either_taxonomy():
    assert {class_named(text) for text in ("tde", "TDE", "15", "2243")} == {"TDE"}
    assert Selection(class_name="TDE").takes(record((2243, 0.9), (200, 0.1)))
    with pytest.raises(StartupError, match=r"no class is called \[/x\]\\x1b; give one of microlensing, TDE, "):
        class_named("[/x]\x1b")


def test_records_that_are_odd_but_sound_avro_are_not_wanted_for_what_they_lack():
    for odd in ({}, {"classifications": []}, record((15, math.nan)), record() | {"survey": None}):
        assert Selection().takes(odd)
        assert not Selection(survey="ztf", probability=0.5).takes(odd)


def test_an_object_is_named_with_its_survey():
    assert object_named("ztf/615", None) == object_named("615", "ztf") == object_named("ztf/615", "ztf") == "ztf/615"
    with pytest.raises(StartupError, match="615 names no survey; write it as ztf/615, or give --survey"):
        object_named("615", None)


def test_a_survey_that_is_none_is_said_at_once_and_not_an_empty_answer():
    assert survey_listed("ztf") == "ztf"
    for ask in (lambda: survey_listed("ztff"), lambda: object_named("ztff/615", None)):
        with pytest.raises(StartupError, match=r"^there is no survey ztff; there are plasticc, rubin, lsst, ztf, "):
            ask()
    with pytest.raises(StartupError, match=r"^there is no survey \\x1b\[2J; "):
        survey_listed("\x1b[2J")


def test_a_record_that_does_not_name_its_object_is_found_by_its_messages_key():
    packet = record() | {"survey": None}
    for told, key in ((packet, b"ztf/615"), ({"alertId": 7}, b"ztf/615"), (record(), b"rubin/8")):
        assert Selection(object="ztf/615", survey="ztf").takes(with_object(told, key))
    for key in (None, b"", b"615", b'{"type":"record"}', b"nobody/615"):
        assert with_object(packet, key) is packet
    assert with_object({}, b"ztf/\xff")["objectId"] == "\ufffd"


def test_a_record_of_another_schema_is_named_by_what_it_has():
    assert object_of({"diaObjectId": 2**60}) == str(2**60)
    assert object_of({"alertId": 7}) == "alert 7"
    assert object_of({}) == "alert ?"

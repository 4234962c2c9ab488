"""Records of several versions in one read, and strangers among them."""

from broker.packets.framings import encode
from broker.packets.readback import ReadBack
from broker.surveys.fields import Field, Fields, Kind, Table
from tests.support.alerts import record
from tests.unit.broker.web.test_published import classification

FIELDS: Fields = {
    "alertId": Field(("alertId",), Kind.LONG),
    "quality": Field(("quality",), Kind.TEXT, required=False),
    "classes": Table(("classifications",), {"classId": Field(("classId",), Kind.LONG)}, required=True),
}


def of(number, version, *classes):
    listed = [{"classId": c, "probability": 0.5} for c in classes]
    return classification(version, alertId=number, classifications=listed, quality="little")


def test_records_of_all_versions_come_in_their_order_and_strangers_not_at_all():
    values = [
        of(1, 1, 6, 15),
        of(2, 2, 42),
        b"",
        of(3, 2),
        b"\0\0\0\0\x64abc",
        of(4, 1, 90),
        of(5, 2)[:-4],
        of(6, 2, 95),
    ]
    columns = ReadBack("classification", FIELDS).read(values, 14)
    assert columns.which.tolist() == [0, 1, 3, 5, 7]
    assert columns.values["alertId"].tolist() == [1, 2, 3, 4, 6]
    assert columns.values["quality"].tolist() == [b"", b"little", b"little", b"", b"little"]
    assert columns.missing["quality"].tolist() == [True, False, False, True, False]
    assert columns.tables["classes"].ends.tolist() == [2, 3, 3, 4, 5]
    assert columns.tables["classes"].values["classId"].tolist() == [6, 15, 42, 90, 95]


def test_of_nothing_and_of_strangers_alone_there_are_empty_columns():
    for values in ([], [b"who knows", encode(record(), "observation"), b"\0\0\0\0\xff" + bytes(90)]):
        columns = ReadBack("classification", FIELDS).read(values, 14)
        assert len(columns.which) == len(columns.values["alertId"]) == len(columns.tables["classes"].ends) == 0

from io import BytesIO

import fastavro
import pytest

from schemas import catalogue


def test_everything_that_is_shipped_is_loaded_whole_and_once():
    for name, version in catalogue.available():
        schema = catalogue.load(name, version)
        assert catalogue.load(name, version) is schema
        assert fastavro.parse_schema(schema) == schema  # no type from elsewhere


@pytest.mark.parametrize(("name", "version"), [("observation", 99), ("nothing", 1), ("../observation", 1), ("", 1)])
def test_what_is_not_there_says_what_is(name, version):
    with pytest.raises(catalogue.SchemaNotFoundError, match=r"there are: .*observation 1"):
        catalogue.load(name, version)


def test_every_version_of_ours_has_an_id_of_its_own():
    ids = [catalogue.confluent_id(name, version) for name in catalogue.FIRST_IDS for version in range(1, 101)]
    assert len(set(ids)) == len(ids)
    for name, version in (("ztf.alert", 1), ("observation", 0)):
        with pytest.raises(catalogue.SchemaNotFoundError):
            catalogue.confluent_id(name, version)


def test_the_newest_version_is_written_and_every_one_is_found_by_its_id():
    for name, first in catalogue.FIRST_IDS.items():
        assert catalogue.load(name) is catalogue.load(name, catalogue.newest(name))
        assert catalogue.confluent_id(name) == first + catalogue.newest(name) - 1
        for version in range(1, catalogue.newest(name) + 1):
            assert catalogue.by_id(first + version - 1) is catalogue.load(name, version)
    for number in (0, 99, 199, 400, 1101):
        with pytest.raises(catalogue.SchemaNotFoundError):
            catalogue.by_id(number)


def record_of(schema):
    """Something that a schema of classifications takes."""
    text = dict.fromkeys(("objectId", "survey", "classifierName", "classifierVersion", "brokerVersion"), "a")
    text |= {"priors": "balanced", "quality": "little"}
    numbers = dict.fromkeys(("alertId", "mjd", "observations", "p99", "anomalyScore"), 1)
    numbers |= {"photoz": 0.25, "anomalyThreshold": 5.0}
    times = {"ingestTimestamp": 0, "publishTimestamp": 0}
    reasons = {"nearestClass": 42, "furthest": [{"statistic": "max_g", "deviations": 9.0}]}
    said = text | numbers | times | reasons | {"ra": None, "dec": 1.0, "classifications": [], "anomaly": True}
    return {field["name"]: said[field["name"]] for field in schema["fields"]}


@pytest.mark.parametrize(("written", "read"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_readers_of_either_version_of_classifications_read_both(written, read):
    writer, reader = (catalogue.load("classification", version) for version in (written, read))
    stream = BytesIO()
    fastavro.schemaless_writer(stream, writer, record_of(writer))
    stream.seek(0)
    found = fastavro.schemaless_reader(stream, writer, reader)
    assert (found["alertId"], found["anomaly"], found["priors"], found["dec"]) == (1, True, "balanced", 1.0)
    if read == 2:
        assert found["quality"] == ("little" if written == 2 else "unknown")
        assert (found["photoz"], found["anomalyThreshold"]) == ((0.25, 5.0) if written == 2 else (None, None))
        assert (found["nearestClass"], len(found["furthest"])) == ((42, 1) if written == 2 else (None, 0))

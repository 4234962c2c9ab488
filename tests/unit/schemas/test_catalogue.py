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

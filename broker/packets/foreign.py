"""What bytes that are no Avro look like: whoever sends JSON or a VOEvent is told so, not that a length prefix lies."""

MAGICS = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"PAR1": "parquet",
    b"SIMPLE  =": "FITS",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"\x04\x22\x4d\x18": "lz4",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"ARROW1": "Arrow",
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"%PDF-": "PDF",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
}
LOOKED_AT = 4096  # bytes: of more the answer would be the same
SHORTEST_TEXT = 8  # a few letters may well be Avro
BOM = b"\xef\xbb\xbf"
UTF_16 = {b"\xff\xfe": "UTF-16 text", b"\xfe\xff": "UTF-16 text"}
WHITESPACE = frozenset("\t\n\r\f")


def foreign(value: bytes) -> str | None:
    """What a message that does not decode looks like, in a word or two; None where the bytes say nothing.

    Asked only once decoding has failed: a body of Avro may by chance begin like anything.
    """
    start = value[:LOOKED_AT]
    for magic, name in (MAGICS | UTF_16).items():
        if start.startswith(magic):
            return name
    text = readable(start.removeprefix(BOM), cut=len(value) > LOOKED_AT)
    if text is None:
        return None
    stripped = text.lstrip()
    if stripped.startswith("<"):
        return "XML (a VOEvent)" if "VOEvent" in stripped else "HTML" if is_html(stripped) else "XML"
    if is_json(stripped):
        return "JSON"
    return "text" if len(stripped) >= SHORTEST_TEXT else None


def readable(start: bytes, *, cut: bool) -> str | None:
    """The bytes as text, where all of them are UTF-8 that people can read; the last letter may be cut in two."""
    for missing in range(4 if cut else 1):
        try:
            text = start[: len(start) - missing].decode()
        except UnicodeDecodeError:
            continue
        return text if all(c.isprintable() or c in WHITESPACE for c in text) else None
    return None


def is_html(text: str) -> bool:
    """Whether markup is a web page: what a proxy answers in place of an alert."""
    return text[:100].lower().startswith(("<!doctype html", "<html"))


def is_json(text: str) -> bool:
    """Whether text begins as a JSON object or list does."""
    if text.startswith("{"):
        return text[1:].lstrip()[:1] in ('"', "}")
    return text.startswith("[") and text[1:].lstrip()[:1] in tuple('"{[]-0123456789tfn')

"""Names that mean harm to whoever shows them."""

NAMES = {
    "a closing tag": "[/x]",
    "a link": "[link=http://evil]x[/link]",
    "a colour": "[red]SN[/red]",
    "an emoji code": ":smiley:",
    "a backslash before a tag": "\\[red]",
    "a backslash at the end": "name\\",
    "a clear screen": "\x1b[2J",
    "a clear screen in one byte": "\x9b2J",
    "a link of the terminal": "\x1b]8;;http://evil\x1b\\x\x1b]8;;\x1b\\",
    "a bell and a backspace": "\a\b\x7f",
    "right to left": "abc\u202egnp.exe",
    "isolates": "\u2066a\u2069",
    "zero width": "SN\u200b\u200d\ufeff2026",
    "line breaks": "a\r\nb\x0bc\x85d\u2028e",
    "10 kB": "x" * 10_000,
    "a lone surrogate": "\ud800",
    "nothing": "",
    "a script": "<script>alert(1)</script>",
    "a quote": "\"'`$(reboot)",
}
FORBIDDEN = frozenset("\x1b\x9b\a\b\x7f\r\x0b\x85\u2028\u202e\u2066\u2069\u200b\u200d\ufeff\ud800")


def assert_harmless(shown: str, name: str) -> None:
    """Nothing of a name reached the terminal that it would obey, and none of it went missing as markup."""
    assert not FORBIDDEN & set(shown), ascii(name)
    assert "x" * 1_000 not in shown, "the length is bounded"
    squeezed = "".join(shown.split())
    for part in ("[/x]", "[link=http://evil]x[/link]", "[red]SN[/red]", ":smiley:", "\\[red]", "<script>alert(1)"):
        assert part not in name or part in squeezed, ascii(name)
    if "\x1b[2J" in name:
        assert "\\x1b[2J" in squeezed

from io import StringIO

import pytest
from rich.console import Console

from broker.commands.shown import cell


@pytest.mark.parametrize("text", ["[red]x[/red]", "[link=http://a]b[/link]", ":boom:", "[/]"])
def test_what_others_wrote_is_shown_as_it_is_never_as_markup(text):
    out = StringIO()
    Console(file=out, force_terminal=True, color_system="truecolor", width=80).print(cell(text))
    assert out.getvalue() == f"{text}\n"


def test_nothing_of_it_reaches_the_terminal_as_an_escape():
    assert "\x1b" not in cell(b"\x1b[2J").plain
    assert len(cell("x" * 10_000, longest=20).plain) < 50

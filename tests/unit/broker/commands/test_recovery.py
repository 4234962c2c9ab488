"""Exit code 1 of reconcile means a finding, whatever else may happen."""

import pytest
import typer

from broker.commands.recovery import one_means_a_finding
from broker.errors import StartupError


@pytest.mark.parametrize(
    ("raised", "ends_with"),
    [
        (StartupError("mend it"), (StartupError, None)),
        (typer.Exit(1), (typer.Exit, 1)),
        (KeyboardInterrupt(), (typer.Exit, 130)),
        (KeyError("a bug"), (typer.Exit, 2)),
        (MemoryError(), (typer.Exit, 2)),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no"), (typer.Exit, 2)),
        (BrokenPipeError(), (StartupError, None)),
        (SystemExit(1), (StartupError, None)),
    ],
)
def test_what_goes_wrong_is_told_apart_from_what_is_found(raised, ends_with, capsys):
    kind, code = ends_with
    with pytest.raises(kind) as ended, one_means_a_finding():
        raise raised
    assert getattr(ended.value, "exit_code", None) == code
    assert ("Traceback" in capsys.readouterr().err) is (code == 2)


def test_what_goes_well_passes():
    with one_means_a_finding():
        pass

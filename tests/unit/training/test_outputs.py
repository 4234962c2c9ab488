"""Every output of every command is tried before the work, and moved into place when it is whole."""

import os
import subprocess
import sys
from errno import EACCES, ENOSPC
from pathlib import Path
from subprocess import PIPE

import pytest

from model.artefact import CARD, DEFAULT, MANIFEST, WEIGHTS, load, save
from tests.support.artefacts import untrained
from tests.support.plasticc import tables, write
from training import cli
from training.comparison import results
from training.dataset import read_metadata
from training.fetch import TRAIN_CURVES, TRAIN_METADATA
from training.files import DataError, replacing, tried
from training.predict import predict
from training.tables import END as END_MARK
from training.tables import START as START_MARK
from training.tables import replaced


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The command line with some arguments, to what it says where it ends with exit code 2."""

    def said(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["misweeper-train", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        found = capsys.readouterr().err
        assert stopped.value.code == 2, found
        assert "Traceback" not in found
        return " ".join(found.split())

    return said


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Light curves, metadata, an artefact."""
    save(tmp_path / "artefact", untrained())
    return *write(tmp_path, *tables()), tmp_path / "artefact"


def test_predict_never_writes_over_what_it_reads(run, files, tmp_path: Path) -> None:
    curves, metadata, artefact = files
    (tmp_path / "link.csv").symlink_to(curves)
    (tmp_path / "hard.csv").hardlink_to(metadata)
    before = {path: path.read_bytes() for path in (curves, metadata, artefact / MANIFEST, artefact / WEIGHTS)}
    for out in (curves, metadata, tmp_path / "link.csv", tmp_path / "hard.csv", tmp_path / "x" / ".." / "curves.csv"):
        (tmp_path / "x").mkdir(exist_ok=True)
        said = run("predict", curves, out, "--metadata", metadata, "--artefact", artefact)
        assert "is read and would be written over; name another file to write" in said
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "curves.csv", "{bad}.csv", "--metadata", "metadata.csv", "--artefact", "artefact"),
        ("predict", "curves.csv", "{bad}.parquet", "--metadata", "metadata.csv", "--artefact", "artefact"),
        ("holdout", "{bad}", "--data", "nowhere"),
        ("plots", "--out", "{bad}", "--data", "nowhere"),
        ("evaluate", "--json", "{bad}", "--data", "nowhere"),
        ("card", "--readme", "{bad}", "--artefact", "artefact"),
        ("fit", "--runs", "{bad}", "--data", "nowhere"),
        ("fit", "--out", "{bad}", "--runs", "runs", "--data", "nowhere"),
        ("fit", "--recipe", "paper", "--out", "{bad}", "--runs", "runs", "--data", "nowhere"),
        ("leave-out", "--runs", "{bad}", "--data", "nowhere"),
        ("fetch", "--from", "nowhere", "--data", "{bad}"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_sentence_before_the_work(
    run, files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)  # where no data are: who reads them first does not speak of the output
    said = run(*(a.replace("{bad}", "curves.csv/within/out") for a in arguments))
    assert "curves.csv/within/out" in said
    assert "cannot be written (Not a directory); name another place" in said


@pytest.mark.parametrize("command", ["anchor", "leave-out"])
def test_reports_that_cannot_be_written_are_said_before_the_work(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(results, "REPORTS", tmp_path / "file" / "reports")
    (tmp_path / "file").touch()
    assert "reports" in (said := run(command, "--data", "nowhere"))
    assert "cannot be written (Not a directory)" in said


def test_a_folder_in_the_place_of_the_output(run, files, tmp_path: Path) -> None:
    curves, metadata, artefact = files
    (tmp_path / "out.csv").mkdir()
    said = run("predict", curves, tmp_path / "out.csv", "--metadata", metadata, "--artefact", artefact)
    assert "out.csv cannot be written (it is a folder)" in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full is Linux's /dev/full")
def test_a_disk_that_is_full_is_one_sentence(tmp_path: Path) -> None:
    def write_to_it(out: Path) -> None:
        with replacing(out) as partial:
            partial.symlink_to("/dev/full")
            partial.write_text("x")

    with pytest.raises(DataError, match=r"out cannot be written \(No space left on device\); name another place"):
        write_to_it(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.json"
    with replacing(out) as partial:
        partial.write_text("first")
        assert not out.exists()
    with pytest.raises(TypeError), replacing(out) as partial:
        partial.write_text(1)  # what fails after the file has been opened
    assert out.read_text() == "first"
    assert [f.name for f in out.parent.iterdir()] == ["out.json"]
    with pytest.raises(OSError, match="elsewhere"), replacing(out):  # who reads is not blamed on who writes
        raise OSError(EACCES, "elsewhere", "input.csv")
    with pytest.raises(DataError, match=r"out.json cannot be written \(full\)"), replacing(out):
        raise OSError(ENOSPC, "full")


def test_trying_leaves_nothing_behind(tmp_path: Path) -> None:
    tried(tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


def test_holdout_leaves_no_part_where_the_data_are_bad(run, tmp_path: Path) -> None:
    curves, metadata = tables()
    for name, table in ((TRAIN_CURVES, curves), (TRAIN_METADATA, metadata.drop(columns="target"))):
        table.to_csv(tmp_path / name, index=False)
    said = run("holdout", tmp_path / "h.parquet", "--data", tmp_path)
    assert "object 3 has none of the 14 classes as its target; name files with classes, or remove it" in said
    assert not list(tmp_path.glob("h.*"))


def test_the_shipped_reports_are_written_to_where_they_are_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(results, "REPORTS", tmp_path)
    results.keep(DEFAULT, results.ANCHORS, ("a",), {"b": 1})
    assert (tmp_path / results.ANCHORS).is_file()
    assert results.read(DEFAULT, results.ANCHORS) == {"a": {"b": 1}}
    assert results.place(tmp_path / "other", results.ANCHORS) == tmp_path / "other" / results.ANCHORS
    assert results.place(DEFAULT, CARD) == DEFAULT / CARD


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_a_device_or_a_pipe_is_written_to_never_replaced(tmp_path: Path, kind: str) -> None:
    if kind == "device":
        (tmp_path / "out").symlink_to("/dev/null")
        with replacing(tmp_path / "out") as partial:
            partial.write_text("x")
        assert Path("/dev/null").is_char_device()
        assert (tmp_path / "out").is_symlink()
        return
    os.mkfifo(tmp_path / "out")
    reader = os.open(tmp_path / "out", os.O_RDONLY | os.O_NONBLOCK)
    with replacing(tmp_path / "out") as partial:
        partial.write_text("x")
    assert os.read(reader, 9) == b"x"
    os.close(reader)
    with pytest.raises(TypeError), replacing(tmp_path / "out") as partial:
        partial.write_text(1)
    assert (tmp_path / "out").is_fifo()


def test_evaluate_and_predict_to_nowhere_leave_nowhere_as_it_was(run, files, tmp_path: Path) -> None:
    curves, metadata, artefact = files
    (tmp_path / "null.csv").symlink_to("/dev/null")
    assert predict(load(artefact), curves, read_metadata(metadata), tmp_path / "null.csv") == 3
    assert "data/plasticc_train_metadata.csv is not there" in run("evaluate", "--json", "/dev/null", "--data", "data")
    assert Path("/dev/null").is_char_device()
    assert not Path("/dev/null.partial").exists()


@pytest.mark.parametrize(
    "arguments",
    [("evaluate", "--json", "{}"), ("holdout", "{}"), ("card", "--readme", "{}", "--artefact", "artefact")],
)
def test_a_folder_as_the_output_of_any_command(
    run, files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "artefact cannot be written (it is a folder)" in run(*(a.format("artefact") for a in arguments))


def test_two_runs_at_once_do_not_write_into_each_others_part(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    code = "from pathlib import Path; from training.files import replacing\n"
    code += f"with replacing(Path({str(out)!r})) as part: part.write_text('other'); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE) as other:
        other.stdout.readline()
        with replacing(out) as partial:
            partial.write_text("own")
        assert out.read_text() == "own"
        other.communicate(b"\n")
    assert other.returncode == 0
    assert out.read_text() == "other"
    assert list(tmp_path.iterdir()) == [out]


def test_a_readme_without_a_place_for_the_table_is_one_sentence(tmp_path: Path) -> None:
    for text in ("no marks", END_MARK + START_MARK, START_MARK + START_MARK + END_MARK):
        (tmp_path / "README.md").write_text(text)
        with pytest.raises(DataError, match=r"README.md has no place for the table; put the lines .* where it belongs"):
            replaced(tmp_path / "README.md", "| new |")

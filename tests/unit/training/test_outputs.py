"""Every output of every command is tried before the work, and moved into place when it is whole."""

import sys
from errno import EACCES, ENOSPC
from pathlib import Path

import pytest

from model.artefact import CARD, DEFAULT, MANIFEST, WEIGHTS, save
from tests.support.artefacts import untrained
from tests.support.plasticc import tables, write
from training import cli
from training.comparison import results
from training.fetch import TRAIN_CURVES, TRAIN_METADATA
from training.files import DataError, replacing, tried


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

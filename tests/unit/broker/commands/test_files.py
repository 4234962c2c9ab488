"""Output files: tried first, whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from broker.commands.files import placed, put, try_out
from broker.errors import StartupError

FULL = """
import resource, sys
from pathlib import Path
from broker.commands.files import put
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))  # as a disk that is full after ten bytes
put(Path(sys.argv[1]), "x" * 100)
"""


def test_a_try_leaves_nothing_and_changes_nothing(tmp_path):
    try_out(tmp_path / "new.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.json").write_text("old")
    try_out(tmp_path / "old.json")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("old.json", "old")]


def test_what_is_put_replaces_the_file_and_keeps_its_mode(tmp_path):
    path = tmp_path / "a.json"
    put(path, "é\n")
    assert path.read_text(encoding="utf-8") == "é\n"
    path.chmod(0o640)
    put(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    put(link, "through the link")
    assert link.is_symlink()
    assert path.read_text() == "through the link"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "link.json"]


def test_a_device_or_a_pipe_is_written_to_not_replaced(tmp_path):
    try_out(Path(os.devnull))
    put(Path(os.devnull), "text")
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("name", ["missing/a.json", "folder", "file/a.json", "nul\0", "circle/a.json", "\x1b[2J/a"])
def test_what_cannot_be_written_is_one_sentence_before_the_work(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for write in (try_out, lambda path: put(path, "text")):
        with pytest.raises(StartupError, match=r"cannot be written \(.+\); name another file$") as caught:
            write(tmp_path / name)
        assert str(caught.value).isprintable()


def made(path, then=lambda: None):
    """A folder with a file in it."""
    with placed(path) as beside:
        beside.mkdir()
        (beside / "part").touch()
        assert not (path / "part").exists()
        then()


def test_a_folder_is_moved_into_place_whole_or_not_at_all(tmp_path):
    with pytest.raises(IndexError):
        made(tmp_path / "out", then=[].pop)
    assert list(tmp_path.iterdir()) == []
    made(tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["part"]
    (tmp_path / "out" / "part").rename(tmp_path / "out" / "old")
    with pytest.raises(StartupError, match="cannot be written"):
        made(tmp_path / "out")
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "old"], "a folder that is not empty stays"


def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new_one(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)],
        cwd=Path(__file__).parents[4],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "StartupError" in done.stderr.splitlines()[-1]
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.json", "old")]

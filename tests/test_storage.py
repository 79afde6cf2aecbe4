"""Files and folders that appear complete: what is on the disk before a name is given."""

from types import SimpleNamespace

import pytest

import storage
from storage import StorageError, check_space, rename_folder


def test_all_of_a_folder_is_on_the_disk_before_the_folder_gets_its_name(tmp_path, monkeypatch):
    folder, target, synced = tmp_path / "part", tmp_path / "whole", []
    (folder / "blocks").mkdir(parents=True)
    for name in ("about.json", "blocks/0.bin"):
        (folder / name).write_text(name)
    monkeypatch.setattr(storage, "sync", lambda path: synced.append((path, target.exists())))
    assert rename_folder(folder, target)
    inside = {folder / name for name in ("about.json", "blocks", "blocks/0.bin")}
    assert {path for path, named in synced if not named} == {folder, *inside}
    assert synced[-1] == (tmp_path, True), "then the name itself"


def test_a_folder_that_exists_is_not_replaced(tmp_path):
    for name in ("part", "whole"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(name)
    assert not rename_folder(tmp_path / "part", tmp_path / "whole")
    assert [(tmp_path / name / "content").read_text() for name in ("part", "whole")] == ["part", "whole"]


def test_too_little_space_is_told_before(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=5_000_000))
    check_space(tmp_path / "new" / "file", 5_000_000)
    with pytest.raises(StorageError, match=r"file: writing it needs up to 5\.1 MB, 5\.0 MB are free"):
        check_space(tmp_path / "new" / "file", 5_100_000)
    assert not list(tmp_path.iterdir())

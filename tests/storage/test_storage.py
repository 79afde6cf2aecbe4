"""Files and folders that appear complete: what is on the disk before a name is given."""

from types import SimpleNamespace

import pytest

from storage import StorageError, check_space, folders, rename_folder, staged, storage_error


def test_all_of_a_folder_is_on_the_disk_before_the_folder_gets_its_name(tmp_path, monkeypatch):
    folder, target, synced = tmp_path / "part", tmp_path / "whole", []
    (folder / "blocks").mkdir(parents=True)
    for name in ("about.json", "blocks/0.bin"):
        (folder / name).write_text(name)
    monkeypatch.setattr(folders, "sync", lambda path: synced.append((path, target.exists())))
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


def test_files_get_their_places_together_the_first_one_first_and_the_main_one_last(tmp_path, monkeypatch):
    places, replace = [], folders.os.replace
    monkeypatch.setattr(folders.os, "replace", lambda a, b: (places.append(b.name), replace(a, b)))
    with staged(tmp_path / "new" / "b.tif", first=tmp_path / "new" / "c.json") as folder:
        for name in ("a.png", "b.tif", "c.json"):
            (folder / name).write_text(name)
        assert [path.name for path in (tmp_path / "new").iterdir()] == [folder.name]
    assert places == ["c.json", "a.png", "b.tif"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.png", "b.tif", "c.json"]


def test_files_of_a_block_that_fails_do_not_appear_and_the_error_names_their_place(tmp_path):
    with (
        pytest.raises(StorageError, match=rf"^{tmp_path}/b.tif: cannot be written"),
        staged(tmp_path / "b.tif") as folder,
    ):
        (folder / "a.png").write_text("a")
        raise storage_error(folder / "b.tif", OSError("full"))
    assert not list(tmp_path.iterdir())

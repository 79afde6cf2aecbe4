"""Files and folders that appear complete: what is on the disk before a name is given."""

import storage
from storage import rename_folder


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

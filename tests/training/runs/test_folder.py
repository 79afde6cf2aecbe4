"""The folder of a run: its name, its description, and its lock."""

import json

import pytest

import config as configuration
from config import UserError
from storage import atomic_write, staged
from training.runs.folder import create_folder, lock_folder

CONFIG = {"network": "test_resnet", "loss": "magnetloss", "validation_map": "osm", "maps": "demo"}


def test_folder_of_a_name_that_exists_gets_a_number(tmp_path):
    config = configuration.validate(CONFIG)
    (tmp_path / "run-2").write_text("a file, not a folder")
    names = [create_folder("run", config, {}, tmp_path).name for _ in range(3)]
    assert names == ["run", "run-3", "run-4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run-2", "run-3", "run-4"]
    names = [create_folder("several/run", config, {}, tmp_path) for _ in range(2)]
    assert names == [tmp_path / "several" / "run", tmp_path / "several" / "run-2"]


def test_folder_that_cannot_be_made_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        create_folder("run", configuration.validate(CONFIG), {}, tmp_path / "file")


def test_description_of_a_run_loads_as_a_config(tmp_path):
    config = configuration.validate(CONFIG)
    folder = create_folder("run", config, {"image": {"path": "x"}}, tmp_path)
    assert configuration.load(folder / "config.json") == config
    about = json.loads((folder / "run.json").read_text())
    assert about["maps"] == {"image": {"path": "x"}}
    assert about["packages"]["torch"]


def test_only_one_process_makes_a_run(tmp_path):
    lock = lock_folder(tmp_path)
    with pytest.raises(UserError, match="another process"):
        lock_folder(tmp_path)
    lock.release()
    lock_folder(tmp_path).release()


def test_a_run_that_goes_on_leaves_what_another_process_is_writing_within_its_folder(tmp_path):
    """`classify` writes its maps there for as long as it takes, and holds no lock of the run."""
    left, output = tmp_path / "figures" / ".part-1-umap.png", tmp_path / "embedded" / "map" / "land-cover-knn.tif"
    left.parent.mkdir()
    left.write_text("half")
    with staged(output) as folder, atomic_write(folder / output.name) as temporary:
        temporary.write_text("half")
        lock_folder(tmp_path).release()
        assert not left.exists(), "of a killed process of the run itself"
    assert output.read_text() == "half"

"""What can be known from the heads of files is told before anything is prepared: a country takes minutes."""

import pytest
from maps_for_tests import noise, write_map

from config import UserError, validate
from dataProcessors import maps
from dataProcessors.maps import open_maps

CONFIG = {"network": "resnext50", "loss": "tripletloss", "image_size": 16, "validation_spacing": 4}


@pytest.fixture(autouse=True)
def nothing_is_prepared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(maps, "prepare_image", lambda *_: pytest.fail("the image was prepared"))
    write_map(tmp_path / "image.tif", noise((3, 300, 400)))
    write_map(tmp_path / "codes.tif", noise((1, 300, 400)))
    (tmp_path / "samples.csv").write_text("lon,lat,kind\n8,50,a\n")


@pytest.mark.parametrize(
    ("labels", "changes", "message"),
    [
        ("codes.tif", {"image_size": 100, "validation_spacing": 4}, "has 400 x 300 pixels; .* need at least 400 along"),
        ({"path": "samples.csv", "column": "class"}, {}, r"samples\.csv: there is no column 'class'\. Columns: kind\."),
        ("samples.csv", {}, r"samples\.csv: say which column names the class"),
        ({"path": "samples.csv", "column": "kind", "layer": "a"}, {}, "a CSV file has no layers"),
    ],
)
def test_told_before_the_image_is_prepared(labels, changes, message):
    named = {"maps": {"image": "image.tif", "labels": {"land": labels}}, "validation_map": "land"}
    with pytest.raises(UserError, match=message):
        open_maps(validate(CONFIG | named | changes), 1)

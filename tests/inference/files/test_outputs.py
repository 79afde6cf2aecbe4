"""A path's suffix says what is written; what cannot be written is told before."""

import json
import sys

import pytest
import rasterio
from embedded_for_tests import write_embedded

from config import UserError
from inference.files.outputs import check_new_file, check_output, write_output
from storage import StorageError


@pytest.mark.parametrize("name", ["e.tif", "e.TIFF", "e.parquet"])
def test_written_with_a_description(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    embedded = write_embedded(tmp_path / "embedded")
    check_output(tmp_path / "out" / name, len(embedded.tiles), 6)
    assert not (tmp_path / "out").exists(), "looking leaves no trace"
    write_output(embedded, tmp_path / "out" / name)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [name, f"{name}.json"]
    item = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert item["assets"]["embeddings"]["href"] == name
    if "tif" in name.lower():
        with rasterio.open(tmp_path / "out" / name) as file:
            assert list(file.transform)[:6] == item["properties"]["proj:transform"]


@pytest.mark.parametrize("name", ["e.tif", "e.parquet"])
def test_a_file_without_a_crs_is_told_by_its_own_name(tmp_path, caplog, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    write_output(write_embedded(tmp_path / "embedded", crs=None), tmp_path / name)
    assert [message for message in caplog.messages if "without a CRS" in message] == [
        f"{tmp_path / name}: is written without a CRS, as the map declares none"
    ]


def test_what_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "there.tif").write_text("")
    (tmp_path / "described.tif.json").write_text("")
    (tmp_path / "folder.tif").mkdir()
    for name, message in {
        "e.nc": r"e\.nc: embeddings are written as a GeoTIFF \(\.tif\) or as GeoParquet",
        "there.tif": "there.tif exists already. Remove it, or give another with -o",
        "described.tif": "described.tif.json exists already",
        "there.tif/e.tif": "is not a folder",
    }.items():
        with pytest.raises(UserError, match=message):
            check_output(tmp_path / name, 10, 6)
    with pytest.raises(UserError, match="a GeoTIFF holds no classes"):
        check_output(tmp_path / "e.tif", 10, 6, with_columns=True)
    check_output(tmp_path / "there.tif", 10, 6, replace=True)
    with pytest.raises(UserError, match=r"folder\.tif exists already"):
        check_output(tmp_path / "folder.tif", 10, 6, replace=True)
    with pytest.raises(UserError, match=r"p\.txt: its name must end in \.csv"):
        check_new_file(tmp_path / "p.txt", [".csv"])
    with pytest.raises(StorageError, match=r"e\.tif: writing it needs up to 134,400,000.0 MB"):
        check_output(tmp_path / "e.tif", 10**12, 64)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match="pip install pyarrow"):
        check_output(tmp_path / "e.parquet", 10, 6)

"""The files that a VRT consists of: each VRT among them is followed once."""

from contextlib import nullcontext
from types import SimpleNamespace

import rasterio

from dataProcessors.rasters.handles import auxiliary_files


def vrt(folder, name, *parts):
    """What GDAL says of a VRT of some parts, of which it lists none."""
    sources = "".join(f'<SourceFilename relativeToVRT="1">{part}</SourceFilename>' for part in parts)
    tags = {"xml:VRT": f"<VRTDataset>{sources}</VRTDataset>"}
    path = str(folder / name)
    return SimpleNamespace(name=path, driver="VRT", files=[path], tags=lambda ns: tags)


def test_vrts_that_name_one_another_are_followed_once(tmp_path, monkeypatch):
    outer, inner = vrt(tmp_path, "outer.vrt", "inner.vrt", "a.tif"), vrt(tmp_path, "inner.vrt", "outer.vrt", "b.tif")
    for name in ("outer.vrt", "inner.vrt", "a.tif", "b.tif"):
        (tmp_path / name).write_text(name)
    opened = {each.name: each for each in (outer, inner)}
    monkeypatch.setattr(rasterio, "open", lambda path: nullcontext(opened[path]))
    found = [(path, size) for path, size, _ in auxiliary_files(outer)]
    expected = [("inner.vrt", 9), ("outer.vrt", 9), ("b.tif", 5), ("a.tif", 5)]
    assert found == [(str(tmp_path / name), size) for name, size in expected]

"""The STAC Item beside a file of embeddings: fields where the schemas of the extensions have them."""

import json
from itertools import pairwise

import pytest
from affine import Affine
from embedded_for_tests import SHA, write_embedded
from rasterio.crs import CRS

from inference.files.stac import stac_item, stac_text

# of an Item's properties, by the schema of the Embedding extension 0.0.1; no others that begin with "emb:" are allowed
EMBEDDING_FIELDS = {"emb:quantization", "emb:fit_for_use", "emb:runtime_parameters"}
ALBERS = CRS.from_string("+proj=aea +lat_1=30 +lat_2=46 +lat_0=23 +lon_0=-95.3 +datum=WGS84")  # without a code


def item_of(tmp_path, name="e.tif", **options) -> dict:
    embedded = write_embedded(tmp_path / "embedded", **options)
    return stac_item(embedded, tmp_path / "out" / f"{name}.json", tmp_path / "out" / name)


def test_an_item_as_the_schemas_have_it(tmp_path):
    item = item_of(tmp_path)
    assert (item["type"], item["stac_version"], item["id"]) == ("Feature", "1.0.0", "embedded")
    names = [address.split("/")[3] for address in item["stac_extensions"]]
    assert names == ["embeddings", "mlm", "projection", "file", "eo"]
    properties, assets = item["properties"], item["assets"]
    assert {name for name in properties if name.startswith("emb:")} == EMBEDDING_FIELDS
    assert {"mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"} <= set(properties)
    assert properties["datetime"] is None
    assert properties["start_datetime"] < properties["end_datetime"] == "2023-11-14T22:13:20Z"
    assert assets["embeddings"]["href"] == "e.tif"
    assert "cloud-optimized" in assets["embeddings"]["type"]
    assert "mlm:model" in assets["model"]["roles"]
    assert assets["model"]["mlm:artifact_type"] == "torch.save"
    assert assets["model"]["file:checksum"] == f"1220{SHA}"
    assert assets["model"]["eo:bands"] == [{"name": "nir"}, {"name": "band 2"}]


def test_a_map_in_many_files_has_a_link_for_each(tmp_path):
    embedded = write_embedded(tmp_path / "embedded")
    files = [str(tmp_path / "a.tif"), "https://example.org/b.tif"]
    embedded.about["map"] |= {"path": "a.tif and 1 more file", "files": files}
    item = stac_item(embedded, tmp_path / "out" / "e.tif.json", tmp_path / "out" / "e.tif")
    assert [link["href"] for link in item["links"]] == ["../a.tif", files[1]]
    assert item["properties"]["title"] == "Embeddings of a.tif and 1 more file"


def test_says_grid_quantisation_run_and_map(tmp_path):
    properties = item_of(tmp_path)["properties"]
    assert properties["emb:quantization"] == {
        "method": "linear", "original_dtype": "float32", "quantized_dtype": "int8", "scale": [1 / 127], "offset": [0],
    }  # fmt: skip
    parameters = properties["emb:runtime_parameters"]
    assert (parameters["emb:type"], parameters["emb:dimensions"]) == ("chip", 6)
    assert parameters["emb:chip_layout"] == {"layout_type": "regular_grid", "chip_size": [16, 16], "stride": [8, 8]}
    assert parameters["network"]["sha256"] == SHA
    assert parameters["map"]["content"] == "cafe"
    assert (properties["proj:code"], properties["proj:shape"], properties["gsd"]) == ("EPSG:32632", [5, 7], 80)
    assert properties["mlm:input"][0]["input"]["shape"] == [-1, 2, 16, 16]
    assert properties["mlm:output"][0]["result"]["shape"] == [-1, 6]


def test_floats_are_not_quantised(tmp_path):
    item = item_of(tmp_path, "e.parquet", dtype="float32")
    assert item["properties"]["emb:quantization"] == {"method": "none", "original_dtype": "float32"}
    assert item["assets"]["embeddings"]["type"] == "application/vnd.apache.parquet"


@pytest.mark.parametrize("rows_go", ["south", "north"])
def test_place_in_longitude_and_latitude(tmp_path, rows_go):
    """A map in EPSG:4326, so that the outline is known: the tiles' part of it."""
    step = 1e-4 if rows_go == "north" else -1e-4
    item = item_of(tmp_path, crs=CRS.from_epsg(4326), place=Affine(1e-4, 0, 7, 0, step, 50))
    west, east = 7 + 30e-4, 7 + (30 + 6 * 8 + 16) * 1e-4
    south, north = sorted(50 + row * step for row in (20, 20 + 4 * 8 + 16))
    assert item["bbox"] == pytest.approx([west, south, east, north])
    (ring,) = item["geometry"]["coordinates"]
    assert sorted({point[0] for point in ring}) == pytest.approx([west, east])
    twice_the_area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(ring))
    assert twice_the_area > 0, "counterclockwise"
    assert "gsd" not in item["properties"], "degrees are no metres"


def test_other_crs(tmp_path):
    item = item_of(tmp_path, crs=ALBERS, place=Affine(10, 0, -5e5, 0, -10, 2e6))
    assert item["properties"]["proj:code"] is None
    assert item["properties"]["proj:projjson"]["type"] == "ProjectedCRS"
    assert item["bbox"][0] == pytest.approx(-101.6, abs=0.5)


@pytest.mark.parametrize("crs", [None, CRS.from_wkt('LOCAL_CS["arbitrary",UNIT["metre",1]]')])
def test_a_map_without_a_place_on_earth(tmp_path, crs):
    item = item_of(tmp_path, crs=crs)
    assert item["geometry"] is None
    assert "bbox" not in item
    assert item["properties"]["proj:code"] is None


def test_equal_maps_have_equal_texts(tmp_path):
    embedded = write_embedded(tmp_path / "embedded")
    text = stac_text(embedded, tmp_path / "a.json", tmp_path / "e.tif")
    assert text == stac_text(embedded, tmp_path / "b.json", tmp_path / "e.tif")
    assert json.loads(text) == stac_item(embedded, tmp_path / "a.json", tmp_path / "e.tif")


@pytest.mark.parametrize("west", [179.995, -180.005, 539.995])
def test_a_map_over_the_antimeridian_is_no_belt_around_the_earth(tmp_path, west):
    """Its outline is cut there, and its box begins east of where it ends (RFC 7946)."""
    item = item_of(tmp_path, crs=CRS.from_epsg(4326), place=Affine(1e-4, 0, west - 30e-4, 0, -1e-4, 10))
    width, high, low = (6 * 8 + 16) * 1e-4, 10 - 20e-4, 10 - (20 + 4 * 8 + 16) * 1e-4
    assert item["bbox"] == pytest.approx([179.995, low, 179.995 + width - 360, high])
    assert item["geometry"]["type"] == "MultiPolygon"
    parts = [{tuple(point) for point in ring} for (ring,) in item["geometry"]["coordinates"]]
    for part, (left, right) in zip(parts, [(179.995, 180), (-180, 179.995 + width - 360)]):
        assert sorted(part) == [pytest.approx((x, y)) for x in (left, right) for y in (low, high)]


def test_a_map_around_a_pole_has_all_longitudes(tmp_path):
    place = Affine(30_000, 0, -30_000 * 62, 0, -30_000, 30_000 * 44)  # the pole in the middle of the tiles
    item = item_of(tmp_path, crs=CRS.from_epsg(3031), place=place)
    west, south, east, north = item["bbox"]
    assert (west, east) == (-180, 180) and -90 <= south < -89.5 and -80 < north < -70
    assert item["geometry"]["type"] == "Polygon"
    (ring,) = item["geometry"]["coordinates"]
    assert sorted({point[0] for point in ring}) == [west, east]
    assert sorted({point[1] for point in ring}) == [south, north]


def test_the_whole_earth_is_its_box(tmp_path):
    place = Affine(360 / 64, 0, -180 - 30 * 360 / 64, 0, -180 / 48, 90 + 20 * 180 / 48)
    item = item_of(tmp_path, crs=CRS.from_epsg(4326), place=place)
    assert item["bbox"] == pytest.approx([-180, -90, 180, 90])
    assert item["geometry"]["type"] == "Polygon"

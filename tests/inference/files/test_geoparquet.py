"""An embedded map as GeoParquet: the valid tiles, their outlines and embeddings, read back by three libraries."""

import json
import struct
import sys
from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from embedded_for_tests import SHA, write_embedded
from maps_for_tests import CORNER, patches, write_map

from config import UserError
from dataProcessors.label_reader import LabelReader
from dataProcessors.tiffreader import TiffReader
from inference.files import geoparquet
from inference.files.geoparquet import class_columns, write_geoparquet
from inference.files.tile_polygons import as_wkb, boxes, tile_rings

SOUTH_UP = Affine(10, 0, 600_000, 0, 10, 5_500_000)  # rows from south to north
ROTATED = CORNER @ Affine.rotation(20)
PLACES = [CORNER, SOUTH_UP, ROTATED]
WIDE = {"dtype": "float32", "dimensions": 20}


def area(ring) -> float:
    """The area of a polygon; positive if its points run counterclockwise."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(ring)) / 2


@pytest.mark.parametrize("place", PLACES)
def test_outlines_are_those_of_the_tiles(tmp_path, place):
    embedded = write_embedded(tmp_path / "embedded", place=place)
    positions = embedded.tiles.positions(np.arange(len(embedded.tiles)))
    rings = tile_rings(embedded.map_grid, positions, 16)
    for ring, (x, y), box, wkb in zip(rings, positions, boxes(rings), as_wkb(rings)):
        expected = {tuple(np.round(place @ (x + i, y + j), 6)) for i in (0, 16) for j in (0, 16)}
        assert {tuple(np.round(point, 6)) for point in ring} == expected
        assert np.array_equal(ring[0], ring[-1])
        assert area(ring - ring[0]) == pytest.approx(160 * 160)
        assert box.tolist() == [*ring.min(0), *ring.max(0)]
        assert struct.unpack("<BIII10d", wkb.tobytes()) == (1, 3, 1, 5, *ring.ravel())


class TestWithPyarrow:
    @pytest.fixture(autouse=True)
    def _pyarrow(self):
        self.parquet = pytest.importorskip("pyarrow.parquet")

    @pytest.mark.parametrize("options", [{}, WIDE])
    def test_holds_the_valid_tiles(self, tmp_path, monkeypatch, options):
        monkeypatch.setattr(geoparquet, "MAX_ROWS", 9)
        embedded = write_embedded(tmp_path / "embedded", **options)
        write_geoparquet(embedded, tmp_path / "e.parquet")
        table = self.parquet.read_table(tmp_path / "e.parquet")
        tiles = np.flatnonzero(embedded.valid)
        assert table["tile"].to_pylist() == tiles.tolist()
        positions = np.stack([table["column"].to_numpy(), table["row"].to_numpy()], 1)
        assert np.array_equal(positions, embedded.tiles.positions(tiles))
        vectors = table["embedding"].combine_chunks()
        assert vectors.type.list_size == embedded.dimensions
        stored = vectors.flatten().to_numpy().reshape(len(tiles), -1)
        assert stored.dtype == embedded.vectors.dtype
        assert np.array_equal(stored, embedded.vectors[tiles])
        assert ("scale" in table.column_names) == (embedded.about["type"] == "int8")
        if "scale" in table.column_names:
            assert np.allclose(stored * table["scale"].to_numpy()[:, None], embedded.embeddings(tiles))
        file = self.parquet.ParquetFile(tmp_path / "e.parquet")
        assert file.metadata.num_row_groups == -(-len(tiles) // 9)

    @pytest.mark.parametrize("place", PLACES)
    def test_metadata_of_geoparquet(self, tmp_path, monkeypatch, place):
        monkeypatch.setattr(geoparquet, "MAX_ROWS", 9)
        embedded = write_embedded(tmp_path / "embedded", place=place)
        write_geoparquet(embedded, tmp_path / "e.parquet")
        schema = self.parquet.read_schema(tmp_path / "e.parquet")
        geo = json.loads(schema.metadata[b"geo"])
        (column,) = geo["columns"].values()
        assert (geo["version"], geo["primary_column"], list(geo["columns"])) == ("1.1.0", "geometry", ["geometry"])
        assert (column["encoding"], column["geometry_types"]) == ("WKB", ["Polygon"])
        assert column["crs"]["id"] == {"authority": "EPSG", "code": 32632}
        rings = tile_rings(embedded.map_grid, embedded.tiles.positions(np.flatnonzero(embedded.valid)), 16)
        assert np.allclose(column["bbox"], [*rings.min((0, 1)), *rings.max((0, 1))])
        table = self.parquet.read_table(tmp_path / "e.parquet")
        edges = np.array([list(box.values()) for box in table["bbox"].to_pylist()])
        assert np.array_equal(edges, boxes(rings))
        assert column["covering"]["bbox"] == {name: ["bbox", name] for name in table["bbox"][0].as_py()}
        assert table["geometry"].to_pylist() == [polygon.tobytes() for polygon in as_wkb(rings)]
        assert schema.metadata[b"NETWORK_SHA256"].decode() == SHA

    def test_a_map_without_a_crs(self, tmp_path):
        write_geoparquet(write_embedded(tmp_path / "embedded", crs=None), tmp_path / "e.parquet")
        geo = json.loads(self.parquet.read_schema(tmp_path / "e.parquet").metadata[b"geo"])
        assert geo["columns"]["geometry"]["crs"] is None, "else it would mean longitude and latitude"

    def test_classes_and_their_shares(self, tmp_path, monkeypatch):
        monkeypatch.setattr(geoparquet, "MAX_ROWS", 5)
        embedded = write_embedded(tmp_path / "embedded", crs=None)
        width, height = embedded.about["size"]
        codes = patches(height, width, [1, 2, 3], 7)
        codes[:44] = 0  # no label in the first rows
        image = TiffReader(write_map(tmp_path / "image.tif", np.ones((1, height, width), np.uint8)))
        names = ["a", "b (2)", "b (3)"]  # of two classes that the legend calls b
        legend = {"classes": [{"name": n, "code": c, "color": [c, 0, 0]} for c, n in enumerate("abb", 1)]}
        (tmp_path / "l.json").write_text(json.dumps(legend | {"no_data": [0]}))
        labels = LabelReader(write_map(tmp_path / "labels.tif", codes[None]), "l", image, str(tmp_path / "l.json"))
        write_geoparquet(embedded, tmp_path / "e.parquet", class_columns(embedded, labels))
        table = self.parquet.read_table(tmp_path / "e.parquet").to_pydict()
        unlabelled = 0
        for number, tile in enumerate(table["tile"]):
            x, y = embedded.tiles.positions(np.array([tile]))[0]
            found = codes[y : y + 16, x : x + 16]
            counts = np.array([(found == code).sum() for code in (1, 2, 3)])
            shares = counts / max(counts.sum(), 1)
            assert [table[f"share of {name}"][number] for name in names] == pytest.approx(shares.tolist())
            expected = names[counts.argmax()] if counts.any() else None
            assert table["class"][number] == expected
            unlabelled += expected is None
        assert 0 < unlabelled < len(table["tile"])

    def test_a_map_without_any_embedding(self, tmp_path):
        embedded = write_embedded(tmp_path / "embedded", no_data=1.0)
        with pytest.raises(UserError, match="no tile has an embedding"):
            write_geoparquet(embedded, tmp_path / "e.parquet")
        assert {path.name for path in tmp_path.iterdir()} == {"embedded"}

    def test_a_broken_write_leaves_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(geoparquet, "MAX_ROWS", 9)
        embedded, done = write_embedded(tmp_path / "embedded"), []

        def broken(tiles):
            done.append(tiles)
            if len(done) == 3:
                raise KeyboardInterrupt
            return {}

        with pytest.raises(KeyboardInterrupt):
            write_geoparquet(embedded, tmp_path / "e.parquet", broken)
        assert {path.name for path in tmp_path.iterdir()} == {"embedded"}

    def test_equal_maps_give_equal_files(self, tmp_path):
        embedded = write_embedded(tmp_path / "embedded")
        for name in ("a", "b"):
            write_geoparquet(embedded, tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

    @pytest.mark.parametrize("options", [{}, WIDE])
    def test_geopandas_reads_it(self, tmp_path, options):
        geopandas = pytest.importorskip("geopandas")
        embedded = write_embedded(tmp_path / "embedded", **options)
        write_geoparquet(embedded, tmp_path / "e.parquet")
        frame = geopandas.read_parquet(tmp_path / "e.parquet")
        assert frame.crs.to_epsg() == 32632
        assert np.array_equal(np.stack(frame["embedding"]), embedded.vectors[embedded.valid])
        assert frame.geometry.area.round(3).eq(160 * 160).all()
        west, _, _, north = frame.total_bounds
        corner = geopandas.read_parquet(tmp_path / "e.parquet", bbox=(west, north - 70, west + 70, north))
        assert 0 < len(corner) < len(frame), "the boxes select tiles"

    def test_duckdb_reads_it(self, tmp_path):
        duckdb = pytest.importorskip("duckdb")
        embedded = write_embedded(tmp_path / "embedded")
        write_geoparquet(embedded, tmp_path / "e.parquet")
        first = np.flatnonzero(embedded.valid)[0]
        rows = duckdb.sql(f"""
            WITH tiles AS (SELECT tile, embedding::FLOAT[6] AS v, bbox.xmin AS x FROM '{tmp_path / "e.parquet"}')
            SELECT tile, array_inner_product(v, (SELECT v FROM tiles WHERE tile = {first})), x FROM tiles ORDER BY tile
        """).fetchall()
        vectors = embedded.vectors[embedded.valid].astype(int)
        assert [row[0] for row in rows] == np.flatnonzero(embedded.valid).tolist()
        assert [row[1] for row in rows] == (vectors @ vectors[0]).tolist()
        assert min(row[2] for row in rows) >= 600_300


def test_without_the_library_one_line_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"pip install pyarrow==[\d.]+$"):
        write_geoparquet(write_embedded(tmp_path / "embedded"), tmp_path / "e.parquet")

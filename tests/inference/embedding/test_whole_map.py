"""Whole maps are embedded as their tiles are one by one, also by a process that goes on where another was stopped."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from affine import Affine
from inference_for_tests import link_maps, one_by_one, write_run
from maps_for_tests import noise, pieces, write_map
from runs_for_tests import MAPS, SIDE

import inference
from config import UserError
from dataProcessors.prepared.array_file import ArrayFile
from inference.core import matching_maps
from inference.core.embedded_map import VALID, VECTORS, open_embedded
from inference.core.trained_run import open_trained
from inference.embedding import map_folders, quantisation, strips
from inference.embedding import whole_map as embedding

SIZE = 16
FILES = ["about.json", "embeddings.tif", "embeddings.tif.json", VALID, VECTORS]


@pytest.fixture
def place(map_folder, tmp_path, monkeypatch):
    """An empty working folder with the maps of fields."""
    link_maps(map_folder, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("stride", "norm"), [(None, True), (10, True), (SIZE, False), (50, False)])
def test_equal_to_its_tiles_one_by_one(place, monkeypatch, stride, norm):
    monkeypatch.setattr(strips, "STRIP_TILES", 100)
    folder, maps = write_run(MAPS, norm_output=norm)
    for float32 in (False, True):
        embedded = inference.embed(folder, stride=stride, float32=float32)
        columns = (SIDE - SIZE) // (stride or SIZE) + 1
        assert (embedded.tiles.columns, embedded.tiles.rows) == (columns, columns)
        assert embedded.valid.all() and embedded.unit_length == norm
        some = np.random.default_rng(0).choice(columns**2, 40, replace=False)
        expected = one_by_one(folder, maps, embedded.tiles.positions(some))
        error = np.abs(embedded.embeddings(some) - expected).max()
        assert error <= (1e-6 if float32 else 0.5001 * embedded.scale), error
        assert np.abs(expected).max() > 20 * error, "a map of zeros would pass too"
        assert embedded.about["clipped"] == 0 or not norm


def test_values_beyond_the_sample_are_clipped_and_counted(place, monkeypatch, caplog):
    monkeypatch.setattr(embedding, "SAMPLE_TILES", 1)
    monkeypatch.setattr(quantisation, "HEADROOM", 0.7)
    folder, _ = write_run(MAPS, norm_output=False)
    embedded = inference.embed(folder)
    floats = inference.embed(folder, float32=True)
    beyond = np.abs(floats.vectors) > 127.5 * embedded.scale
    assert 0 < beyond.mean() < 1
    assert embedded.about["clipped"] == pytest.approx(beyond.mean())
    assert (np.abs(embedded.vectors[beyond].astype(int)) == 127).all()
    assert "were clipped" in caplog.text


def test_tiles_without_enough_data_have_no_embedding(place):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 255, (3, 200, 230), np.uint8)
    mask = np.ones((200, 230), bool)
    mask[:70, :90], mask[150:, 100:] = False, False
    write_map(place / "holed.tif", pixels, mask=mask)
    folder, _ = write_run(MAPS)
    embedded = inference.embed(folder, overrides=["maps.image=holed.tif"])
    positions = embedded.tiles.positions(np.arange(len(embedded.tiles)))
    share = np.array([mask[y : y + SIZE, x : x + SIZE].mean() for x, y in positions])
    assert np.array_equal(embedded.valid, 1 - share <= 0.1 + 1e-9)
    assert 0 < embedded.valid.sum() < len(embedded.valid)
    assert (embedded.vectors[~embedded.valid] == -128).all() and (embedded.vectors[embedded.valid] != -128).all()
    floats = inference.embed(folder, float32=True, overrides=["maps.image=holed.tif"])
    assert np.array_equal(np.isnan(floats.vectors).all(1), ~embedded.valid)
    assert np.allclose(floats.vectors[embedded.valid], embedded.embeddings(embedded.valid), atol=embedded.scale)


def test_a_map_in_many_files_is_embedded_as_one(place):
    folder, maps = write_run(MAPS)
    files = pieces(place / "cut", maps.image.read(np.zeros((1, 2), int), SIDE)[0], 3, 2, maps.image.transform)
    one, many = (inference.embed(folder, overrides=each) for each in ([], ["maps.image=cut/*.tif"]))
    assert np.array_equal(one.vectors, many.vectors) and many.folder.name.startswith("00_00-16px-")
    assert many.about["map"]["files"] == [f"cut/{Path(file).name}" for file in files]
    assert many.about["map"]["path"] == "cut/00 00.tif and 5 more files"
    warped = inference.embed(folder, overrides=["maps.image=cut/*.tif", "maps.crs=EPSG:3035"])
    assert warped.map_grid.crs.to_epsg() == 3035
    with pytest.raises(UserError, match=r"away\.tif: there is no such file"):
        inference.embed(folder, overrides=['maps.image=["image.tif", "away.tif"]'])


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("moment", range(1, 11))
def test_stopped_at_any_moment_it_goes_on_to_the_same_bytes(place, monkeypatch, moment):
    monkeypatch.setattr(strips, "STRIP_TILES", 100)
    folder, _ = write_run(MAPS)
    whole = inference.embed(folder)
    expected = {name: (whole.folder / name).read_bytes() for name in (VECTORS, VALID)}
    (whole.folder).rename(place / "whole")
    writes, write = [], ArrayFile.write

    def failing(file, start, values):
        writes.append(start)
        if len(writes) == 1 + moment * 3 // 2:  # of 16
            write(file, start, values[: len(values) // 2])  # a part of it
            raise Killed
        write(file, start, values)

    with monkeypatch.context() as patch:
        patch.setattr(ArrayFile, "write", failing)
        with pytest.raises(Killed):
            inference.embed(folder)
    assert not whole.folder.exists()
    again = inference.embed(folder)
    assert {name: (again.folder / name).read_bytes() for name in expected} == expected
    assert sorted(path.name for path in again.folder.parent.iterdir()) == [again.folder.name]
    assert sorted(path.name for path in again.folder.iterdir()) == FILES


def test_strips_that_are_there_are_not_computed_again(place, monkeypatch, caplog):
    monkeypatch.setattr(strips, "STRIP_TILES", 100)
    caplog.set_level(logging.INFO)
    folder, _ = write_run(MAPS)
    run = open_trained(folder)
    image = run.open_image()
    seen, start = [], type(run).start_embedding

    def counting(self, tiles):
        seen.append(len(tiles))
        if sum(seen) > 300:
            raise KeyboardInterrupt
        return start(self, tiles)

    with monkeypatch.context() as patch:
        patch.setattr(type(run), "start_embedding", counting)
        with pytest.raises(KeyboardInterrupt):
            embedding.embed_map(run, image, float32=True)
    done = sum(seen[:-1])
    seen.clear()
    monkeypatch.setattr(type(run), "start_embedding", lambda *given: (seen.append(len(given[1])), start(*given))[1])
    tiles = len(embedding.embed_map(run, image, float32=True).tiles)
    assert 0 < tiles - sum(seen) <= done
    assert "strips are there already" in caplog.text


def test_it_is_found_again_by_network_map_and_stride(place, caplog):
    caplog.set_level(logging.INFO)
    folder, _ = write_run(MAPS)
    run = open_trained(folder)
    image = run.open_image()
    wide, fine = (embedding.embed_map(run, image, stride) for stride in (16, 8))
    assert embedding.find_embedded(run, image).folder == fine.folder
    assert embedding.find_embedded(run, image, 16).folder == wide.folder
    assert "not embedded yet" not in caplog.text
    assert embedding.find_embedded(run, image, 50).tiles.stride == 50
    assert "not embedded yet" in caplog.text
    embedding.embed_map(run, image, 8)
    assert "embedded already" in caplog.text
    other = open_trained(folder, ["maps.rect=[8.9,49,9.01,50]"])
    window = other.open_image().window
    assert embedding.find_embedded(other, other.open_image()).tiles.window == window != image.window


def test_a_map_whose_place_is_corrected_beside_it_is_embedded_anew(place):
    """The file of its pixels stays as it is, so that they are not prepared anew."""
    write_map(place / "placed.tif", noise((3, 90, 90)), None, Affine.identity())
    folder, _ = write_run(MAPS)
    for left in (500_000, 600_000):
        where = f"<SRS>EPSG:32632</SRS><GeoTransform>{left}, 10, 0, 5500000, 0, -10</GeoTransform>"
        Path("placed.tif.aux.xml").write_text(f"<PAMDataset>{where}</PAMDataset>")
        embedded = inference.embed(folder, overrides=["maps.image=placed.tif"])
        with rasterio.open(embedded.folder / "embeddings.tif") as file:
            assert (file.crs.to_epsg(), file.transform.c) == (32632, left)


def test_maps_of_an_earlier_network_are_told_and_not_used(place, caplog):
    caplog.set_level(logging.INFO)
    folder, _ = write_run(MAPS)
    earlier = inference.embed(folder)
    assert "earlier network" not in caplog.text
    other, _ = write_run(MAPS, seed=1)
    (other / "best.pt").replace(folder / "best.pt")
    run = open_trained(folder)
    found = embedding.find_embedded(run, run.open_image())
    assert found.folder != earlier.folder
    assert f"not used any more: {earlier.folder}. You may remove them" in caplog.text


def test_maps_of_an_earlier_revision_are_told_and_not_used(place, monkeypatch, caplog):
    """Its embeddings of a map without nodata went by the nodata value of the run's own map."""
    caplog.set_level(logging.INFO)
    folder, _ = write_run(MAPS)
    with monkeypatch.context() as patch:
        patch.setattr(map_folders, "FORMAT", 1)
        earlier = inference.embed(folder)
    assert inference.embed(folder).folder != earlier.folder
    assert f"not used any more: {earlier.folder}. You may remove them" in caplog.text


def test_of_two_types_the_map_in_8_bits_is_used(place):
    folder, _ = write_run(MAPS)
    for stride in (16, 24, 32, 40):
        kept = [inference.embed(folder, stride=stride, float32=float32) for float32 in (True, False)]
        run = open_trained(folder)
        assert embedding.find_embedded(run, run.open_image(), stride).folder == kept[1].folder


def test_no_data_leaves_nothing_whatever_the_length_of_embeddings(place):
    folder, _ = write_run(MAPS, norm_output=False)
    write_map(place / "thin.tif", np.ones((3, 90, 90), np.uint8), mask=np.arange(8100).reshape(90, 90) % 7 > 0)
    with pytest.raises(UserError, match="no tile of the part in use has enough data"):
        inference.embed(folder, overrides=["maps.image=thin.tif"])
    assert not [*folder.glob("embedded/*")]


def test_a_map_of_other_levels_is_warned_of(place, caplog, monkeypatch):
    folder, _ = write_run(MAPS)
    dark = np.random.default_rng(0).integers(1, 9, (3, 100, 100), np.uint8)
    write_map(place / "dark.tif", dark)
    inference.embed(folder, overrides=["maps.image=dark.tif"])
    assert "dark.tif: band 1 has mean" in caplog.text and "image.tif" in caplog.text
    caplog.clear()
    monkeypatch.setattr(matching_maps, "band_levels", None)  # the run's own map is not sampled once more
    inference.embed(folder)
    assert "band 1 has mean" not in caplog.text


def test_what_cannot_be_embedded_is_refused_in_one_line(place, monkeypatch):
    folder, _ = write_run(MAPS)
    write_map(place / "two.tif", np.ones((2, 90, 90), np.uint8))
    write_map(place / "wide.tif", np.ones((3, 90, 90), np.uint16))
    write_map(place / "tiny.tif", np.ones((3, 9, 90), np.uint8))
    write_map(place / "thin.tif", np.ones((3, 90, 90), np.uint8), mask=np.arange(8100).reshape(90, 90) % 7 > 0)
    for given, message in {
        "maps.image=two.tif": "has 2 bands of uint8, and the network of .* was trained on 3 of uint8",
        "maps.image=wide.tif": "has 3 bands of uint16",
        "maps.image=tiny.tif": "90 x 9 pixels, less than a tile",
        "maps.image=thin.tif": "no tile of the part in use has enough data",
        "maps.image=nowhere.tif": "nowhere.tif",
        "maps.rect=[100,10,101,11]": "lies outside the image",
        "batch_size=3": "'batch_size' cannot be set here. Keys that can: device, threads, maps.image, maps.rect",
        "maps.bands=[1]": "'maps.bands' cannot be set here",
    }.items():
        with pytest.raises(UserError, match=message) as caught:
            inference.embed(folder, overrides=[given])
        assert "\n" not in str(caught.value)
    assert not [*folder.glob("embedded/*")], "nothing is left"
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(UserError, match=r"writing it needs up to 0\.0 MB, 0\.0 MB are free"):
        inference.embed(folder)


def test_a_damaged_embedded_map_is_refused(place):
    folder, _ = write_run(MAPS)
    embedded = inference.embed(folder)
    content = (embedded.folder / VECTORS).read_bytes()
    for damage in (content[:-1], content[:40], b""):
        (embedded.folder / VECTORS).write_bytes(damage)
        with pytest.raises(UserError, match=r"incomplete or damaged .* run embed again"):
            open_embedded(embedded.folder)
    (embedded.folder / VECTORS).write_bytes(content)
    about = json.loads((embedded.folder / "about.json").read_text())
    (embedded.folder / "about.json").write_text(json.dumps(about | {"stride": 8}))
    with pytest.raises(UserError, match="incomplete or damaged"):
        open_embedded(embedded.folder)

"""Runs that go on after their maps were moved or stored anew, and not on other maps."""

import json
import shutil
from pathlib import Path

import pytest
import rasterio
from interruptions_for_tests import refused
from rasterio.transform import from_origin
from runs_for_tests import losses_of

import main
from training.runs.checkpoint import load, save


@pytest.fixture
def moved(tmp_path) -> dict[str, Path]:
    """Copies of the two maps in another folder, whose name has a blank."""
    folder = tmp_path / "other disk"
    folder.mkdir()
    return {name: Path(shutil.copy2(f"{name}.tif", folder)) for name in ("image", "labels")}


def with_places(moved: dict[str, Path]) -> list[str]:
    return [f"maps.image={moved['image']}", f"maps.labels.fields={moved['labels']}"]


def test_a_run_goes_on_after_its_maps_were_moved(reference, broken, moved):
    prepared = set(Path("data/cache").iterdir())
    assert main.main(["resume", str(broken), *with_places(moved)]) == 0
    assert losses_of(broken) == losses_of(reference), "bit for bit"
    assert (broken / "metrics.csv").read_text() == (reference / "metrics.csv").read_text()
    assert set(Path("data/cache").iterdir()) == prepared, "the prepared maps are found"
    assert json.loads((broken / "config.json").read_text())["maps"]["image"] == str(moved["image"])
    assert json.loads((broken / "run.json").read_text())["maps"]["image"]["path"] == str(moved["image"])
    assert main.main(["resume", str(broken), "epochs=3"]) == 0, "the new places are kept"


def test_a_map_that_was_stored_anew_is_known_by_its_pixels(broken, moved):
    with rasterio.open("image.tif") as file:
        pixels, profile = file.read(), file.profile
    with rasterio.open(moved["image"], "w", **profile | {"compress": "deflate"}) as file:
        file.write(pixels)
    assert main.main(["resume", str(broken), *with_places(moved)]) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda pixels, profile: (pixels[:, ::-1], profile), "other pixels"),
        (lambda pixels, profile: (pixels[..., :-8], profile | {"width": 376}), "size [376, 384] instead of [384, 384]"),
        (lambda pixels, profile: (pixels, profile | {"transform": from_origin(5e5, 5.5e6, 11, 11)}), "transform"),
        (lambda pixels, profile: (pixels, profile | {"crs": "EPSG:32633"}), "CRS EPSG:32633 instead of EPSG:32632"),
        (lambda pixels, profile: (pixels.astype("uint16"), profile | {"dtype": "uint16"}), "type uint16 instead of"),
    ],
)
def test_another_map_at_another_place_is_refused(broken, moved, capsys, change, told):
    config, last = ((broken / name).read_bytes() for name in ("config.json", "last.pt"))
    with rasterio.open("image.tif") as file:
        pixels, profile = change(file.read(), file.profile)
    with rasterio.open(moved["image"], "w", **profile) as file:
        file.write(pixels)
    if "crs" in profile and profile["crs"] == "EPSG:32633":  # the labels must lie there too
        with rasterio.open(moved["labels"], "r+") as file:
            file.crs = profile["crs"]
    message = refused(capsys, str(broken), *with_places(moved))
    assert f"{moved['image']} is not the map that the run was started with (image.tif): " in message and told in message
    assert (config, last) == tuple((broken / name).read_bytes() for name in ("config.json", "last.pt"))


def test_a_run_of_an_earlier_revision_says_that_pixels_were_not_compared(broken, moved, caplog, capsys):
    content = load(broken / "last.pt")
    for about in content["maps"].values():
        for key in ("content", "size", "transform", "type"):
            del about[key]
    save(broken / "last.pt", content)
    assert main.main(["resume", str(broken), *with_places(moved)]) == 0
    assert f"{moved['image']} takes the place of image.tif. Its pixels could not be compared" in caplog.text
    save(broken / "last.pt", content)
    with moved["image"].open("ab") as file:
        file.write(b"more")
    assert "bytes instead of" in refused(capsys, str(broken), *with_places(moved))


def test_all_of_a_map_but_its_path_must_be_as_before(broken, capsys):
    labels = 'maps.labels.fields={"path": "labels.tif", "band": 2}'
    message = refused(capsys, str(broken), labels, "maps.bands=[1]")
    assert "'maps.labels.fields.band' is 2, and was None" in message and "'maps.bands' is (1,), and was None" in message
    assert "and the paths of maps may change" in message


@pytest.mark.parametrize("maps", ["demo", "germany"])
def test_maps_at_fixed_places_have_no_paths_to_change(broken, capsys, maps):
    config = json.loads((broken / "config.json").read_text()) | {"maps": maps, "validation_map": "osm"}
    (broken / "config.json").write_text(json.dumps(config))
    message = refused(capsys, str(broken), "maps.image=other.tif")
    assert f"'maps.image' cannot be set, because 'maps' is \"{maps}\"" in message and "data/" in message

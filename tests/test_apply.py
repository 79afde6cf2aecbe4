"""The verbs embed, classify and search, called as a user calls them, on a small map of fields."""

import csv
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import rasterio
from inference_for_tests import one_by_one, write_run
from maps_for_tests import write_map
from rasterio.warp import transform
from runs_for_tests import MAPS, SIDE, UNLABELLED, write_fields

import main
from inference.core.embedded_map import EmbeddedMap, open_embedded
from inference.core.trained_run import TrainedRun
from storage import Lock
from training.runs.checkpoint import load, save

SIZE = 16
LAND_COVER = ["{}.tif", "{}-confidence.tif", "{}.tif.aux.xml", "{}.json", "{}.png"]
SEARCH = ["query.json", "results.csv", "results.geojson", "search.png", "similarity.tif"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder with the maps of fields, a run "net", and what the tests of this file make of it."""
    folder = tmp_path_factory.mktemp("a place")  # with a blank
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_fields(folder)
        write_run(MAPS)
        yield folder


@pytest.fixture(scope="module")
def embedded(place) -> EmbeddedMap:
    assert main.main(["embed", "results/net"]) == 0
    (folder,) = Path("results/net/embedded").glob("image-16px-*")
    return open_embedded(folder)


def said(capsys, *arguments: str) -> str:
    """Call main.py; return what it prints."""
    capsys.readouterr()
    assert main.main([*arguments]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments: str) -> str:
    """Call main.py with something that it cannot do; return the one line that it says, and see that nothing is left."""
    before = files_of(Path())
    capsys.readouterr()
    try:
        code = main.main([*arguments])
    except SystemExit as error:  # of argparse, which also says how the verb is called
        code = error.code
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert files_of(Path()) == before, "something was written, or left half-written"
    assert len(lines) == 1 or lines[-1].startswith("main.py"), lines
    return lines[-1]


def files_of(folder: Path) -> dict[str, int]:
    """Return the files of a folder with the times when they were changed, but for the cache."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts)
    return {str(path): path.stat().st_mtime_ns for path in paths}


def centre(x: int, y: int) -> list[str]:
    """Longitude and latitude of the middle of the tile at a position, as words of the command line."""
    with rasterio.open("image.tif") as file:
        lon, lat = transform(file.crs, "EPSG:4326", *zip(file.transform @ (x + SIZE / 2, y + SIZE / 2)))
    return [f"{lon[0]:.8f}", f"{lat[0]:.8f}"]


def pixels(path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read()


def test_raster_vectors_table_and_tiles_one_by_one_are_equal(embedded, capsys):
    _, opened = write_run(MAPS)
    tiles = np.array([0, 25, 300, 575])
    positions = embedded.tiles.positions(tiles)
    expected = one_by_one(Path("results/net"), opened, positions)
    assert np.abs(embedded.embeddings(tiles) - expected).max() <= 0.5001 / 127
    with rasterio.open(embedded.folder / "embeddings.tif") as file:
        values, scale = file.read(), file.scales[0]
        assert (file.nodata, file.crs.to_epsg(), file.transform.a) == (-128, 32632, 160)
    columns, rows = (positions // SIZE).T
    assert np.array_equal(values[:, rows, columns].T, embedded.vectors[tiles])
    assert scale == embedded.scale
    places = [",".join([*centre(*each), str(tile)]) for tile, each in zip(tiles, positions.tolist())]
    Path("points.csv").write_text("\n".join(["lon,lat,tile", *places]))
    assert "The table is points-embeddings.csv" in said(capsys, "embed", "results/net", "--at", "points.csv")
    with open("points-embeddings.csv", newline="") as file:
        table = [[float(row[f"e{number}"]) for number in range(1, 9)] for row in csv.DictReader(file)]
    np.testing.assert_allclose(table, expected, atol=1e-5)


def test_where_an_option_stands_does_not_matter(embedded, capsys):
    words = ["results/net", "--stride", "48", "--float32", "maps.rect=[8.9,49,9.04,50]"]
    for order in ([0, 1, 2, 3, 4], [3, 4, 1, 2, 0], [4, 0, 3, 1, 2]):
        assert "numbers each. They are in" in said(capsys, "embed", *(words[number] for number in order))
    folders = list(Path("results/net/embedded").glob("image-48px-*"))
    assert len(folders) == 1
    part = open_embedded(folders[0])
    assert (part.about["type"], part.tiles.stride) == ("float32", 48)
    assert 0 < part.tiles.window.width < SIDE


@pytest.mark.parametrize("name", ["out/e.tif", "out/e.parquet"])
def test_a_file_for_other_programs_where_the_user_wants_it(embedded, capsys, name):
    if name.endswith("parquet"):
        parquet = pytest.importorskip("pyarrow.parquet")
    assert said(capsys, "embed", "results/net", "-o", name).strip().endswith(name)
    assert json.loads(Path(f"{name}.json").read_text())["assets"]["embeddings"]["href"] == Path(name).name
    if name.endswith("parquet"):
        stored = np.stack(parquet.read_table(name).to_pandas()["embedding"])
        assert np.array_equal(stored, embedded.vectors)
    else:
        assert np.array_equal(pixels(name), pixels(embedded.folder / "embeddings.tif"))


def test_classes_beside_the_embeddings(embedded, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    said(capsys, "embed", "results/net", "-o", "out/classes.parquet", "--classes")
    table = parquet.read_table("out/classes.parquet")
    shares = np.stack([table[name] for name in table.column_names if name.startswith("share of ")], 1)
    assert shares.shape == (len(embedded.tiles), 4)
    assert np.allclose(shares.sum(1), 1)
    assert set(table["class"].to_pylist()) <= {f"class {code}" for code in (1, 2, 3, 4)}


@pytest.mark.parametrize("model", ["linear", "knn"])
def test_land_cover(embedded, capsys, model):
    text = said(capsys, "classify", "results/net", "--with", model, "--stride", "16")
    name = str(embedded.folder / f"land-cover-{model}")
    assert text.startswith(f"The map is {name}.tif")
    assert all(Path(each.format(name)).exists() for each in LAND_COVER)
    assert np.isin(pixels(f"{name}.tif"), [1, 2, 3, 4]).all()
    assert pixels(f"{name}-confidence.tif").max() <= 100
    assert said(capsys, "classify", "results/net", "-o", f"mine/{model}.tif", "--with", model) == text.replace(
        f"{name}.tif", f"mine/{model}.tif"
    )
    for each in LAND_COVER[:3]:
        assert Path(each.format(f"mine/{model}")).read_bytes() == Path(each.format(name)).read_bytes()
    assert sorted(path.name for path in Path("mine").glob(f"{model}*")) == sorted(
        each.format(model) for each in LAND_COVER
    )


def test_shares(embedded, capsys):
    said(capsys, "classify", "results/net", "--proportions", "--with", "knn", "device=cpu", "--stride", "16")
    shares = pixels(embedded.folder / "proportions-knn.tif").astype(int)
    assert len(shares) == 4
    assert np.abs(shares.sum(0) - 100).max() <= 2
    assert not (embedded.folder / "proportions-knn.png").exists()


def test_search(embedded, capsys):
    at = ["--at", *centre(32, 64)]
    text = said(capsys, "search", "results/net", *at, "-k", "3", "--stride", "16")
    folder = Path(text.strip().removeprefix("The results are in "))
    assert folder.parent == Path("results/net/searches")
    assert sorted(path.name for path in folder.iterdir()) == SEARCH
    found = rows_of(folder)
    assert [row["rank"] for row in found] == ["1", "2", "3"]
    assert ["32", "64"] not in [[row["x"], row["y"]] for row in found]
    cosines = (
        embedded.embeddings(slice(None)) @ one_by_one(Path("results/net"), write_run(MAPS)[1], np.array([[32, 64]]))[0]
    )
    np.testing.assert_allclose(pixels(folder / "similarity.tif").ravel(), cosines, atol=0.01)
    values = [float(row["similarity"]) for row in found]
    assert values == sorted(values, reverse=True)


def test_search_of_several_places_without_one_and_of_a_file(embedded, capsys):
    with rasterio.open("image.tif") as file:
        write_map(Path("tile.tif"), file.read(window=((64, 80), (32, 48))), place=file.transform)
    near, far, unlike = centre(32, 64), centre(200, 300), centre(100, 100)
    said(capsys, "search", "results/net", "--at", *near, "--at", *far, "--not", *unlike, "-o", "found")
    asked = json.loads(Path("found/query.json").read_text())
    assert asked["query"]["at"] == [[float(each) for each in place] for place in (near, far)]
    assert (asked["positions"], asked["counter_positions"]) == ([[32, 64], [200, 300]], [[100, 100]])
    assert len(rows_of(Path("found"))) == 20
    said(capsys, "search", "results/net", "--tile", "tile.tif", "-k", "1", "-o", "as file", "--stride", "16")
    (row,) = rows_of(Path("as file"))
    assert (row["x"], row["y"]) == ("32", "64")
    assert float(row["similarity"]) > 0.99


def rows_of(folder: Path) -> list[dict]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_without_labels(place, capsys):
    write_run(**{"name": "plain"} | UNLABELLED)
    assert "validation_map" in refused(capsys, "classify", "results/plain")
    said(capsys, "embed", "results/plain")
    said(capsys, "search", "results/plain", "--at", *centre(32, 64), "-k", "2", "-o", "plainly")
    assert "class" not in rows_of(Path("plainly"))[0]


def test_another_map_of_the_same_kind(embedded, capsys):
    rng = np.random.default_rng(1)
    write_map(
        Path("other.tif"), rng.integers(20, 200, (3, 90, 130), np.uint8), mask=np.arange(130) < np.full((90, 1), 99)
    )
    text = said(capsys, "classify", "results/net", "maps.image=other.tif", "-o", "of other.tif")
    assert "no scores: the embedded map is not the one" in text
    classes = pixels("of other.tif")[0]
    assert (classes[:, 99:] == 255).all() and (classes[:80, :96] != 255).all()
    said(capsys, "search", "results/net", "maps.image=other.tif", "--tile", "other.tif", "-k", "1", "-o", "in other")
    assert "class" not in rows_of(Path("in other"))[0], "the label map lies elsewhere"


def test_a_network_of_a_gpu_is_used_on_a_machine_without(embedded, capsys, caplog):
    checkpoint = load(Path("results/net/best.pt"))
    Path("results/gpu").mkdir()
    checkpoint["config"] |= {"device": "cuda", "precision": "bf16", "channels_last": True}
    save(Path("results/gpu/best.pt"), checkpoint)
    said(capsys, "embed", "results/gpu/best.pt", "--stride", "100")
    assert "This machine has no cuda, on which the network was trained: cpu is used" in caplog.text
    assert list(Path("results/gpu/embedded").glob("image-100px-*/embeddings.tif"))


BAD = {
    "a folder that is no run": (["embed", "results"], "there is no best.pt in it"),
    "nothing": (["embed", "nowhere"], "there is no such run or checkpoint"),
    "no checkpoint": (["embed", "image.tif"], "image.tif"),
    "stride of 0": (["embed", "results/net", "--stride", "0"], "The stride is 0 px. It must be at least 1"),
    "negative stride": (["classify", "results/net", "--stride", "-3"], "The stride is -3 px"),
    "stride in words": (["embed", "results/net", "--stride", "wide"], "invalid int value: 'wide'"),
    "other bands": (["embed", "results/net", "maps.image=two.tif"], "has 2 bands of uint8"),
    "other type": (["classify", "results/net", "maps.image=deep.tif"], "has 3 bands of uint16"),
    "a map that is a table": (["embed", "results/net", "maps.image=bad.csv"], "bad.csv"),
    "outside": (["embed", "results/net", "maps.rect=[0,0,1,1]"], "lies outside"),
    "a part smaller than a tile": (["embed", "results/net", "maps.rect=[9,49.64,9.0005,49.6405]"], "less than a tile"),
    "another key": (["search", "results/net", "--tile", "two.tif", "epochs=3"], "'epochs' cannot be set here"),
    "all maps": (["embed", "results/net", "maps=5"], "'maps' cannot be set here"),
    "a device that is not there": (["embed", "results/net", "device=cuda:63"], "cuda:63"),
    "no such map": (["embed", "results/net", "maps.image=nowhere.tif"], "nowhere.tif: there is no such file"),
    "a file that exists": (["embed", "results/net", "-o", "there.tif"], "there.tif exists already"),
    "its description exists": (["embed", "results/net", "-o", "described.tif"], "described.tif.json exists already"),
    "unknown suffix": (["embed", "results/net", "-o", "e.nc"], "are written as a GeoTIFF"),
    "points on a grid": (["embed", "results/net", "--at", "bad.csv", "--stride", "8"], "one each: leave out"),
    "classes in a GeoTIFF": (["embed", "results/net", "-o", "c.tif", "--classes"], "holds no classes beside"),
    "points without columns": (["embed", "results/net", "--at", "bad.csv"], "there is no column"),
    "points elsewhere": (["embed", "results/net", "--at", "far.csv"], "none of the 1 points lies in"),
    "no points": (["embed", "results/net", "--at", "nowhere.csv"], "nowhere.csv"),
    "points to a raster": (["embed", "results/net", "--at", "far.csv", "-o", "e.tif"], "must end in .csv"),
    "no such model": (["classify", "results/net", "--with", "forest"], "There is no simple model 'forest'"),
    "land cover that exists": (["classify", "results/net", "-o", "there.tif"], "there.tif exists already"),
    "a picture that exists": (["classify", "results/net", "-o", "drawn.tif"], "drawn.png exists already"),
    "a description of the user's": (["classify", "results/net", "-o", "mine.tif"], "mine.json exists already"),
    "land cover as table": (["classify", "results/net", "-o", "c.csv"], "must end in .tif or .tiff"),
    "no example": (["search", "results/net", "-k", "3"], "A search needs an example"),
    "half a place": (["search", "results/net", "--at", "9"], "expected 2 arguments"),
    "a place outside": (["search", "results/net", "--at", "49", "9"], "49 9 lies outside"),
    "a counter-example outside": (
        ["search", "results/net", "--tile", "good.tif", "--not", "49", "9"], "49 9 lies outside",
    ),
    "a file of other bands": (["search", "results/net", "--tile", "two.tif"], "Give a file of the same bands"),
    "no such file": (["search", "results/net", "--tile", "nowhere.tif"], "there is no such file"),
    "k of 0": (["search", "results/net", "--tile", "good.tif", "-k", "0"], "must be at least 1"),
    "more than there are": (["search", "results/net", "--tile", "good.tif", "-k", "999"], "999 tiles are asked for"),
    "a folder that exists": (
        ["search", "results/net", "--tile", "good.tif", "-o", "results"], "results exists already",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def bad_files(embedded):
    rng = np.random.default_rng(0)
    write_map(Path("two.tif"), rng.integers(1, 255, (2, 90, 90), np.uint8))
    write_map(Path("deep.tif"), rng.integers(1, 255, (3, 90, 90), np.uint16))
    write_map(Path("good.tif"), rng.integers(1, 255, (3, 20, 20), np.uint8))
    for name in ("there.tif", "described.tif.json", "drawn.png"):
        Path(name).touch()
    Path("mine.json").write_text('{"maps": {"image": "mine.tif"}}')
    Path("bad.csv").write_text("name\nx\n")
    Path("far.csv").write_text("lon,lat\n49,9\n")


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_leaves_nothing(bad_files, capsys, arguments, message):
    assert message in refused(capsys, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [["classify", "-o", "there.tif"], ["search", "--tile", "good.tif", "-o", "results"], ["search", "--at", "49", "9"]],
)
def test_what_is_wrong_is_told_before_the_map_is_embedded(bad_files, capsys, arguments):
    verb, *options = arguments
    assert refused(capsys, verb, "results/net", "--stride", "31", *options)
    assert not list(Path("results/net/embedded").glob("image-31px-*"))


def test_ctrl_c_says_how_to_go_on_and_a_second_process_waits(bad_files, capsys, monkeypatch):
    command, start = ["embed", "results/net", "--stride", "20"], TrainedRun.start_embedding

    def interrupted(run, tiles):
        signal.raise_signal(signal.SIGINT)
        return start(run, tiles)

    with monkeypatch.context() as patch:
        patch.setattr(TrainedRun, "start_embedding", interrupted)
        assert main.main(command) == 130
    assert "What is done is kept: the same command goes on from there." in capsys.readouterr().err
    (unfinished,) = Path("results/net/embedded").glob("image-20px-*.incomplete")
    lock = Lock.acquire(unfinished)
    assert "another process is embedding this map" in refused(capsys, *command)
    lock.release()
    said(capsys, *command)
    assert not unfinished.exists()


def test_a_truncated_embedded_map(bad_files, capsys):
    write_run(MAPS, name="cut")
    said(capsys, "embed", "results/cut")
    (vectors,) = Path("results/cut/embedded").glob("*/vectors.npy")
    content = vectors.read_bytes()
    vectors.write_bytes(content[:-1])
    for words in (["embed"], ["classify"], ["search", "--tile", "good.tif"]):
        assert "is incomplete or damaged" in refused(capsys, words[0], "results/cut", *words[1:])
    vectors.write_bytes(content)
    vectors.with_name("about.json").unlink()
    for words in (["embed"], ["classify"], ["search", "--tile", "good.tif"]):
        assert "is incomplete or damaged" in refused(capsys, words[0], "results/cut", *words[1:])

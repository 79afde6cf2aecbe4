"""What the verbs embed, classify and search refuse in one line, and what they make of a broken-off embedding."""

import signal
from pathlib import Path

import numpy as np
import pytest
from apply_for_tests import refused, said
from inference_for_tests import write_run
from maps_for_tests import write_map
from runs_for_tests import MAPS

import main
from inference.core.trained_run import TrainedRun
from storage import Lock

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
    "points with classes": (["embed", "results/net", "--at", "bad.csv", "--classes"], "--stride, --float32, --classes"),
    "a label map that is not there": (["embed", "results/net", "maps.labels.x=a.tif"], "It has: maps.labels.fields."),
    "all label maps": (["classify", "results/net", "maps.labels=a.tif"], "'maps.labels' cannot be set here"),
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

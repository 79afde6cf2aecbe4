"""Disks that are full or read-only: an error that names file and space, and what was good before still is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from embedded_for_tests import write_embedded
from runs_for_tests import config_file, run_in_process, values_of, without_figures

import main
from dataProcessors.prepared import preparation
from dataProcessors.rasters.grid import Grid, Window
from dataProcessors.tiffreader import TiffReader
from inference.files import cog
from inference.files.raster_file import DEFLATE, TILE, RasterFile, write_part
from storage import StorageError, atomic_write, check_writable
from training.runs.checkpoint import load
from training.trainer import Trainer

MEGABYTE = 2**20
SIZE = 24  # MB: enough for a run's checkpoints, of 5 MB each, and everything else that it writes


def mounted(options: str, folder: Path) -> bool:
    """Whether this process may put a file system of its own there."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """The folder of a disk of its own of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mounted(f"size={SIZE}m", folder):
        pytest.skip("needs a disk of its own, which only root may mount on Linux")
    try:
        yield folder
    finally:
        os.chdir("/")
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path, left: int = 0) -> Path:
    """Leave so many bytes of a disk, while a run goes on writing to it. Gives the file that takes up the rest."""
    path = folder / "filler"
    with path.open("wb") as file:
        for _ in range(100):
            usage = os.statvfs(folder)
            with suppress(OSError):  # others took some of it meanwhile
                os.posix_fallocate(file.fileno(), 0, usage.f_bavail * usage.f_frsize - left)
                return path
    raise AssertionError("the disk could not be filled")


@pytest.fixture
def on_small_disk(small_disk, map_folder, monkeypatch) -> Path:
    """A working folder on the small disk, with maps and what is prepared of them elsewhere."""
    monkeypatch.chdir(small_disk)
    (map_folder / "data").mkdir(exist_ok=True)
    Path("data").symlink_to(map_folder / "data")
    for name in ("image.tif", "labels.tif"):
        Path(name).symlink_to(map_folder / name)
    return small_disk


LONG = {"iterations": 4, "epochs": 3}


@pytest.fixture(scope="module")
def reference(workplace_of_module) -> Path:
    """A run that has all the space it needs."""
    with pytest.MonkeyPatch.context() as patch:
        without_figures(patch)
        return workplace_of_module / run_in_process("reference", **LONG)


@pytest.mark.parametrize("left", [0, 3_000, 200_000, 4 * MEGABYTE])
def test_disk_that_fills_up_in_a_run(reference, on_small_disk, no_figures, monkeypatch, capsys, left):
    """Whatever cannot be written first, events, scores or a checkpoint: one message, and the run goes on later."""
    whole = Trainer._train_step

    def filling(trainer, batch, waited):
        if batch.step == 6:
            fill(on_small_disk, left)
        return whole(trainer, batch, waited)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_step", filling)
        assert main.main([str(config_file("full", **LONG))]) == 2
    told = capsys.readouterr().err
    assert "results/full" in told
    assert "cannot be written: No space left on device" in told or "last.pt: cannot be written: only a part" in told
    assert "MB are free there" in told
    assert "python main.py resume results/full" in told
    assert "Traceback" not in told
    assert load(Path("results/full/last.pt"))["step"] == 4, "the last good checkpoint is intact"
    assert load(Path("results/full/best.pt"))["step"] in (0, 4)
    Path("filler").unlink()
    assert main.main(["resume", "results/full"]) == 0
    assert [step for step, _ in values_of(Path("results/full"), "train/loss")] == list(range(1, 13))
    assert not list(Path("results").rglob(".part-*"))
    assert Path("results/full/metrics.csv").read_text() == (reference / "metrics.csv").read_text()


def test_disk_that_is_full_at_the_start(on_small_disk, no_figures, capsys):
    config = config_file("start", **LONG)
    fill(on_small_disk)
    assert main.main([str(config)]) == 2
    told = capsys.readouterr().err
    assert "results" in told
    assert "0.0 MB are free there" in told
    Path("filler").unlink()
    assert not list(Path("results").glob("start*")) if Path("results").exists() else True


def test_read_only_disk(on_small_disk, no_figures, capsys, monkeypatch):
    config = config_file("read-only", **LONG)
    subprocess.run(["mount", "-o", "remount,ro", on_small_disk], check=True)
    assert main.main([str(config)]) == 2
    told = capsys.readouterr().err
    assert "results: cannot be written: Read-only file system" in told
    assert not Path("results").exists()


def test_disk_that_fills_up_while_a_map_is_prepared(small_disk, map_folder, monkeypatch):
    """Space is looked for before, but others may take it meanwhile."""
    monkeypatch.setattr(preparation, "_check_space", lambda *arguments: fill(small_disk, 100_000))
    with pytest.raises(StorageError, match=r"image-.*: cannot be written: No space left on device; 0\.1 MB are free"):
        TiffReader(map_folder / "image.tif", cache=small_disk / "cache")
    (small_disk / "filler").unlink()
    assert not list((small_disk / "cache").iterdir()), "nothing half-written is left"
    monkeypatch.undo()
    reader = TiffReader(map_folder / "image.tif", cache=small_disk / "cache")
    plain = TiffReader(map_folder / "image.tif")
    positions = np.array([[0, 0], [100, 200]])
    assert np.array_equal(reader.read(positions, 96), plain.read(positions, 96))


@pytest.mark.parametrize("left", [100_000, 9 * MEGABYTE])
def test_disk_that_fills_up_while_embeddings_are_written(small_disk, tmp_path, monkeypatch, left):
    """The plain file, which takes 8 MB, or the copy of it does not fit."""
    embedded = write_embedded(tmp_path / "embedded", 300, 200, 140)
    monkeypatch.setattr(cog, "check_space", lambda *arguments: None)
    fill(small_disk, left)
    with pytest.raises(StorageError, match=r"e\.tif: "):
        cog.write_cog(embedded, small_disk / "e.tif")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_whole_file_keeps_what_was_there_on_a_full_disk(small_disk):
    path = small_disk / "file"
    path.write_bytes(b"before")
    fill(small_disk, 5000)
    with pytest.raises(StorageError, match="file: cannot be written: No space left"), atomic_write(path) as temporary:
        temporary.write_bytes(bytes(MEGABYTE))
    assert path.read_bytes() == b"before"
    assert sorted(each.name for each in small_disk.iterdir()) == ["file", "filler"]


def test_results_that_are_a_file(tmp_path, monkeypatch):
    (tmp_path / "results").write_text("")
    with pytest.raises(StorageError, match=r"results: cannot be written: .*results is not a folder"):
        check_writable(tmp_path / "results")
    check_writable(tmp_path / "elsewhere" / "results")
    assert not (tmp_path / "elsewhere").exists(), "looking leaves no trace"


@pytest.mark.parametrize("missing", [5_000, 60_000, 500_000, 1_500_000])  # bytes, at the end or in the middle
def test_a_raster_that_does_not_fit_is_an_error_and_no_file(small_disk, missing):
    pixels = np.random.default_rng(0).integers(0, 255, (1300, 1500), np.uint8)
    raster = RasterFile(small_disk / "map.tif", "uint8", 255, ("a",), DEFLATE)

    def write() -> int:
        with raster.open(Grid(None, Affine.scale(10), 1500, 1300), Window(0, 0, 1500, 1300)) as file:
            for top in range(0, 1300, TILE):
                write_part(file, (0, top), pixels[None, top : top + TILE])
        return raster.path.stat().st_size

    size = write()
    raster.path.unlink()
    fill(small_disk, left=size - missing)
    with pytest.raises(StorageError, match=r"map\.tif: cannot be written: .* free there"):
        write()
    assert [path.name for path in small_disk.iterdir()] == ["filler"]

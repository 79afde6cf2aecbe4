"""Several processes embed a map together, to the bytes that one writes; a rerun takes the strips that are missing."""

import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from inference_for_tests import link_maps, write_run
from runs_for_tests import MAPS
from together_for_tests import together

import inference
from apply import EmbedOptions, check_takes_points
from config import UserError
from dataProcessors.maps import nodata_limit
from dataProcessors.sampling.share import Share
from inference.core.embedded_map import ABOUT, VALID, VECTORS
from inference.core.trained_run import TrainedRun
from inference.embedding import strips
from inference.embedding.map_folders import INCOMPLETE
from inference.embedding.quantisation import Quantisation
from inference.embedding.whole_map import check_same_work, tile_grid
from training.execution.processes import Processes

FILES = [ABOUT, "embeddings.tif", "embeddings.tif.json", VALID, VECTORS]
NUMBER, LOST = 2, [1, 3, 4]  # processes; strips that a crashed one has not written


@pytest.fixture(scope="module")
def of_one(tmp_path_factory, map_folder):
    """A folder with maps and a run, and the files of its embedded map, made by one process."""
    folder = tmp_path_factory.mktemp("shared")
    link_maps(map_folder, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(strips, "STRIP_TILES", 100)
        run, _ = write_run(MAPS, norm_output=False)
        embedded = inference.embed(run, overrides=["threads=1"])
        files = {name: (embedded.folder / name).read_bytes() for name in FILES}
        embedded.folder.rename(folder / "of-one")
    return folder, files


@pytest.fixture(scope="module")
def of_two(of_one, tmp_path_factory):
    """What `embed_twice` has returned in each of two processes."""
    return together((NUMBER,), partial(embed_twice, of_one[0]), tmp_path_factory.mktemp("together"))[NUMBER]


def embed_twice(folder, processes):
    """Embed the map, then the strips that a crashed process would have left; return each time the files and counts."""
    os.chdir(folder)
    strips.STRIP_TILES = 100
    counts, start = [], TrainedRun.start_embedding
    TrainedRun.start_embedding = lambda run, tiles: (counts.append(len(tiles)), start(run, tiles))[1]
    found = []
    for _ in range(2):
        embedded = inference.embed("results/net", overrides=["threads=1"], processes=processes)
        processes.barrier()
        found.append(({name: (embedded.folder / name).read_bytes() for name in FILES}, sum(counts)))
        counts.clear()
        processes.barrier()
        if processes.is_first and len(found) == 1:
            lose(embedded, LOST)
        processes.barrier()
    return found


def lose(embedded, lost):
    """Turn an embedded map into one that is not complete: some of its strips are missing."""
    rows = strips.strip_rows(embedded.tiles)
    done = np.zeros(-(-embedded.tiles.rows // rows), np.int64)
    done[lost] = strips.NOT_DONE
    np.save(embedded.folder / strips.STRIPS, done)
    vectors = np.load(embedded.folder / VECTORS, mmap_mode="r+")
    for strip in lost:
        first = strip * rows * embedded.tiles.columns
        vectors[first : first + rows * embedded.tiles.columns] = 1
    (embedded.folder / ABOUT).unlink()
    (embedded.folder / "embeddings.tif").unlink()
    embedded.folder.rename(embedded.folder.with_name(embedded.folder.name + INCOMPLETE))


def test_two_processes_write_the_bytes_of_one(of_one, of_two):
    for (files, _), _ in of_two:
        assert files == of_one[1]


def test_the_tiles_are_shared_out(of_one, of_two):
    counts = [count for (_, count), _ in of_two]
    tiles = len(np.load(of_one[0] / "of-one" / VALID))
    sample = min(tiles, 1024)  # from which the first one takes the scale
    assert sum(counts) == tiles + sample
    assert all(abs(count - tiles / 2) <= 100 for count in (counts[0] - sample, counts[1]))


def test_a_rerun_embeds_what_a_crashed_process_has_left(of_one, of_two):
    tiles = len(np.load(of_one[0] / "of-one" / VALID))
    assert [files for _, (files, _) in of_two] == [of_one[1]] * NUMBER
    counts = [count for _, (_, count) in of_two]
    assert 0 < sum(counts) - min(tiles, 1024) < tiles
    assert counts[1], "the strips that are missing are shared out, too"


class Elsewhere(Processes):
    """Processes of which this one sees what it writes itself, and nothing of the others."""

    def broadcast(self, make):
        return make()

    def wait_for_first(self):
        pass

    def barrier(self):
        pass


@pytest.fixture
def elsewhere(of_one, tmp_path, monkeypatch):
    """A run of which this process has a folder of its own, and its map; rank -> the run as that process opens it."""
    for name in ("image.tif", "labels.tif", "data"):
        (tmp_path / name).symlink_to(of_one[0] / name)
    shutil.copytree(of_one[0] / "results", tmp_path / "results", ignore=shutil.ignore_patterns("embedded"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(strips, "STRIP_TILES", 100)
    run = inference.open_trained(Path("results/net"), ["threads=1"])
    return lambda rank: replace(run, processes=Elsewhere(Share(rank, NUMBER), store=object()))


@pytest.mark.parametrize(("rank", "words"), [(0, "2 strips of tiles of other processes did not"), (1, "not seen here")])
def test_a_folder_that_is_not_shared_is_refused(elsewhere, rank, words):
    run = elsewhere(rank)
    with pytest.raises(UserError, match=f"{words}.*: all machines must see the same folder"):
        inference.embed_map(run, run.open_image())


def test_the_first_process_may_rename_the_folder_while_others_wake_up(elsewhere, monkeypatch):
    """They look every 50 ms whether all are there."""
    run = elsewhere(1)
    image = run.open_image()
    tiles = tile_grid(run, image)
    folder, quantisation = Path("unfinished"), Quantisation(np.dtype(np.float32), 1.0, "stored as they are")
    folder.mkdir()
    strips.make_files(folder, tiles, run.config.output_size, quantisation.dtype)
    monkeypatch.setattr(Elsewhere, "barrier", lambda processes: folder.rename("finished"))
    writer = strips.StripWriter(folder, tiles, run.config.output_size, quantisation)
    strips.embed_strips(run, image, nodata_limit(run.config, image), writer)
    own = np.flatnonzero(np.load(Path("finished") / strips.STRIPS) != strips.NOT_DONE)
    assert own.tolist() == list(range(1, len(writer.clipped), NUMBER))


def test_another_map_or_network_on_another_machine_is_refused(elsewhere, monkeypatch):
    run = elsewhere(1)
    image = run.open_image()
    tiles = tile_grid(run, image)
    check_same_work(run, image, tiles)
    monkeypatch.setattr(Elsewhere, "broadcast", lambda self, make: ["another network"])
    with pytest.raises(UserError, match=r"best\.pt or image\.tif: the first process has another file"):
        check_same_work(run, image, tiles)


def test_points_are_embedded_by_one_process():
    with pytest.raises(UserError, match=r"--at embeds .* in one process: start it with python instead of torchrun"):
        check_takes_points(EmbedOptions(), Elsewhere(store=object()))

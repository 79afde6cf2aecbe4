"""Whole maps are embedded nearly as fast as the network computes

`python main.py embed` on a prepared map of 20,000 x 20,000 pixels (3 uint8 bands): tiles of 96 px, one every 96 px,
43,264 of them, 64 dimensions in 8 bits, until all files are written; resnext50 on a part of 4,000 px a side, 1,681
tiles. Beside it the network's bare forward pass: batches of the same size, again and again the same tiles, which lie in
memory. The networks have their initial weights, two threads, fp32, and the layout that runs choose for them
(`channels_last` for test_resnet, the plain one for resnext50).

torchgeo's users sample a grid of such tiles with a GriddedPatchSampler and a DataLoader, which decodes the GeoTIFF (a
few tiles more, because it goes beyond the edges where the last tiles do not fit); batch size, network, format and
layout are the same, the embeddings are collected and written as one array. GDAL's cache of decoded blocks is limited to
64 MB as above. The network alone bounds what is possible: the last row of them.

Land cover: the time of `classify` on the map that is embedded then, until its files are written, as a share of the time
of `embed`. A model is fitted on 5,000 tiles, whose embeddings lie in the folder of the run, as its evaluation keeps
them. How long it takes to compute them, as for a run of an earlier revision, is told apart.

Memory: the private memory of a new process that embeds the map of 4,000 px and that of 20,000 px, at its peak.
"""

import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.maps import SIDE, benchmark_maps
from benchmarks.measure import Row, Setting, Timing, at_least, at_most, faster, format_number, in_turn
from benchmarks.runs import open_run, save_untrained
from benchmarks.with_torchgeo import FEW, SEVERAL, SIZE, fastest, image_map, limit_gdal_cache
from dataProcessors.maps import OpenMaps
from dataProcessors.tiffreader import TiffReader
from inference.core.embedded_map import EmbeddedMap
from inference.core.trained_run import TrainedRun, open_trained
from inference.embedding.map_folders import EMBEDDED
from inference.embedding.whole_map import embed_map
from inference.land_cover.classifying import classify
from inference.land_cover.simple_model import open_maps_to_fit
from training.execution.tile_batches import in_batches, max_batch
from training.scoring.evaluator import Evaluator
from training.scoring.fit_tiles import save_fit_tiles

PART = 4_000  # pixels a side of the map for the slow network and for memory
NETWORKS = {"test_resnet": (SIDE, 2_000), "resnext50": (PART, 1_000)}  # side of the map, fully and in a tiny run
BARE_TILES = 4_000  # of a measurement of the bare forward pass
MODELS = ("linear", "knn")  # that classify
MOST_OF_EMBED = 0.15  # of the time of embed may classify take
MOST_MEMORY = 1.5e9  # bytes
MEMORY_ROUNDS = 3  # at least: one peak varies by a tenth


def measure(setting: Setting) -> list[Row]:
    """Measure both networks against their forward pass and torchgeo, then memory."""
    rows = []
    for network, (side, tiny_side) in NETWORKS.items():
        rows += speed(setting, network, setting.number(side, tiny_side))
    return [*rows, *memory(setting)]


def speed(setting: Setting, network: str, side: int) -> list[Row]:
    """Rows of one network on a map of so many pixels a side."""
    run, image = trained(setting, network, side)
    tiles = len(embed_map(run, image).tiles)  # prepares the map
    limit_gdal_cache()
    ways = {
        "embed": lambda: embed_again(run, image),
        "bare forward pass": lambda: forward_alone(run, image, min(tiles, BARE_TILES)),
    }
    if network == "test_resnet":
        path = Path(image.path)
        ways |= {f"torchgeo, {workers} workers": torchgeo(run, path, workers) for workers in (FEW, SEVERAL)}
    timings = in_turn(ways, setting.rounds, warm=False)
    embed, bare = timings["embed"], timings["bare forward pass"]
    rows = [Row(f"{network}: {name}", timing.rate("tiles")) for name, timing in timings.items()]
    share = embed.times(bare)
    rows.append(at_least(f"{network}: embed against the bare forward pass", str(share), share.median, 0.95, "x"))
    theirs = {name: timing for name, timing in timings.items() if name.startswith("torchgeo")}
    if theirs:
        rows.append(faster("embed against the faster torchgeo", embed.times(fastest(theirs)), 2))
        rows.append(Row("what the network allows: bare forward pass against it", str(bare.times(fastest(theirs)))))
    if network == "test_resnet":
        rows += land_cover(run, image, embed, setting.rounds)
    return rows


def land_cover(run: TrainedRun, image: TiffReader, embed: Timing, rounds: int) -> list[Row]:
    """Rows of `classify` with two models, beside the time of embedding a tile."""
    embedded, maps = embed_map(run, image), open_maps_to_fit(run)
    fit = Evaluator(maps.config, maps, {}, 1).fit.positions
    save_fit_tiles(run.checkpoint, fit, embed_tiles(run, maps, fit), run.execution)
    ways = {model: partial(classify_anew, run, embedded, model) for model in MODELS}
    drawn = fit[: run.config.validation_nb]  # as many as one draw has

    def embed_drawn() -> None:
        embed_tiles(run, maps, drawn)

    timings = in_turn(ways | {f"embedding {len(drawn):,} tiles to fit on": embed_drawn}, rounds, warm=False)
    rows = [Row(f"classify, {name}", timing.duration()) for name, timing in timings.items()]
    for model in MODELS:
        share = timings[model].median / (embed.median * len(embedded.tiles))
        rows.append(at_most(f"classify, {model}, against embed", f"{share:.3f} x", share, MOST_OF_EMBED, "x"))
    return rows


def classify_anew(run: TrainedRun, embedded: EmbeddedMap, model: str) -> None:
    """Write the land cover of an embedded map."""
    classify(run, embedded, model, embedded.folder / f"land-cover-{model}.tif", replace=True)


def embed_tiles(run: TrainedRun, maps: OpenMaps, positions: np.ndarray) -> np.ndarray:
    """Return the embeddings (N, D) of tiles, as many as a model is fitted on."""
    return np.concatenate([run.embed(maps.read(part)) for part in in_batches(positions, SIZE)])


def trained(setting: Setting, network: str, side: int) -> tuple[TrainedRun, TiffReader]:
    """Return an untrained network as that of a run, and its map."""
    keys = {"network": network, "precision": "fp32", "channels_last": network == "test_resnet"}
    if setting.tiny or network != "test_resnet":  # which alone is used to classify
        keys["validation_nb"] = 100
    config, maps = open_run(setting, benchmark_maps(setting.folder, side), **keys)
    run = open_trained(save_untrained(setting.folder / f"run-{network}-{side}", config, maps))
    logging.disable(logging.INFO)
    return run, run.open_image()


def embed_again(run: TrainedRun, image: TiffReader) -> int:
    """Embed the map from the start; return the number of tiles."""
    shutil.rmtree(run.folder / EMBEDDED, ignore_errors=True)
    return len(embed_map(run, image).tiles)


def forward_alone(run: TrainedRun, image: TiffReader, tiles: int) -> int:
    """Embed the tiles of one batch, which are in memory, until there are so many; return how many there were."""
    batch = max_batch(SIZE)
    rng = np.random.default_rng(0)
    high = np.array(image.window[2:]) - SIZE
    read = image.read(rng.integers(0, high, (min(batch, tiles), 2)), SIZE)
    done = 0
    while done < tiles:
        done += len(run.embed(read))
    return done


def torchgeo(run: TrainedRun, path: Path, workers: int) -> Callable[[], int]:
    """Return what embeds a grid of such tiles with torchgeo."""
    from torchgeo.samplers import GriddedPatchSampler, Units

    def epoch() -> int:
        dataset = image_map(path)
        sampler = GriddedPatchSampler(dataset, size=SIZE, stride=SIZE, units=Units.PIXELS)
        loader = DataLoader(
            dataset, batch_size=max_batch(SIZE), sampler=sampler, num_workers=workers, collate_fn=pixels_alone,
            worker_init_fn=lambda _: limit_gdal_cache(), multiprocessing_context="fork" if workers else None,
        )  # fmt: skip
        limit_gdal_cache()
        vectors = [run.start_embedding(tiles)() for tiles in loader]
        np.save(run.folder / "torchgeo.npy", np.rint(np.concatenate(vectors) * 127).astype(np.int8))
        return sum(map(len, vectors))

    return epoch


def pixels_alone(samples: list[dict]) -> torch.Tensor:
    """Return the images of samples as one batch of bytes."""
    return torch.stack([sample["image"] for sample in samples]).to(torch.uint8)


def memory(setting: Setting) -> list[Row]:
    """Rows of the peak of private memory, for a map and one 25 times as large."""
    sides = setting.number(PART, 1_000), setting.number(SIDE, 2_000)
    rounds = max(setting.rounds, setting.number(MEMORY_ROUNDS, 1))
    used = {side: Timing(tuple(memory_of_process(setting, side) for _ in range(rounds))) for side in sides}
    rows = [
        Row(f"private memory, map of {side:,} px", f"{format_number(used[side].median / 1e6)} MB") for side in sides
    ]
    growth = 100 * (used[sides[1]].median / used[sides[0]].median - 1)
    most = used[sides[1]].median
    return [
        *rows,
        at_most("growth of memory", f"{growth:.1f} %", growth, 10, "%"),
        at_most("private memory", f"{most / 1e9:.2f} GB", most / 1e9, MOST_MEMORY / 1e9, "GB"),
    ]


def memory_of_process(setting: Setting, side: int) -> int:
    """Return the bytes of private memory of a new process that embeds a map, at their peak."""
    run, _ = trained(setting, "test_resnet", side)
    shutil.rmtree(run.folder / EMBEDDED, ignore_errors=True)
    command = [sys.executable, "-c", PRINT_MEMORY, str(run.folder), str(setting.folder / "cache")]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def peak_of_embedding(folder: str, cache: str) -> int:
    """Embed the map of a run; return the peak of private memory, looked at while it runs."""
    import threading

    import inference
    from benchmarks.measure import private_memory
    from dataProcessors import maps

    maps.CACHE = Path(cache)
    seen, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            seen[0] = max(seen[0], private_memory())

    watching = threading.Thread(target=watch)
    watching.start()
    inference.embed(folder)
    done.set()
    watching.join()
    return seen[0]


PRINT_MEMORY = "import sys; from benchmarks.embed import peak_of_embedding; print(peak_of_embedding(*sys.argv[1:]))"

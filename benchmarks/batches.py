"""Whole batches with labels: 60 x as fast as torchgeo

A batch of 72 random tiles of 96 x 96 pixels, as a training step needs it: the pixels as one uint8 array, and the share
of every class in each tile, on the image's grid. `TiffReader.read` and `LabelReader.proportions` read it from the two
prepared maps, in one thread. The image has 20,000 x 20,000 pixels of 3 uint8 bands, deflate in blocks of 512 x 512; the
label map holds as many, in the 13 colours of the OSM legend, in EPSG:4326 where the image is in UTM.

The same is measured with a validity, which a map that is not whole carries beside its bands: here one pixel value
counts as nodata, so that a few pixels of every block are without data. Batches may take 5 % longer then.

torchgeo samples the intersection of two RasterDatasets, which brings the colours into the image's CRS, with its
RandomPatchSampler and a DataLoader (batches of 72, stack_samples), once without workers and once with two that were
started before; the claim is against the faster. Its batches hold the colours of the labels: neither classes nor their
shares are asked of it, which is in its favour. Before timing, nine in ten pixels must be of the same class both ways
(torchgeo resamples twice and GDAL's tolerance is coarser, so borders differ). Files are in the page cache, GDAL's
cache of decoded blocks is limited to 64 MB as above.
"""

import numpy as np

from benchmarks.maps import SIDE, benchmark_maps
from benchmarks.measure import Row, Setting, at_least, at_most, faster, in_turn
from benchmarks.with_torchgeo import (
    BATCH,
    SIZE,
    fastest,
    image_with_labels,
    label_epochs,
    limit_gdal_cache,
    random_positions,
    tile_of,
)
from dataProcessors.label_reader import LabelReader
from dataProcessors.tiffreader import TiffReader

RATE = 15_000  # tiles per second, claimed
OURS, WITH_VALIDITY = "prepared maps", "prepared maps, some pixels without data"
NODATA = 100  # a value of the image that counts as nodata then
SAME = 0.9  # least share of pixels with the same class


def measure(setting: Setting) -> list[Row]:
    """Measure the prepared maps against torchgeo's intersection of both maps."""
    side = setting.number(SIDE, 2000)
    maps, cache = benchmark_maps(setting.folder, side), setting.folder / "cache"
    limit_gdal_cache()
    image = TiffReader(maps.image, cache=cache, threads=2)
    holed = TiffReader(maps.image, nodata=NODATA, cache=cache, threads=2)
    labels = LabelReader(maps.labels, "osm", image, cache=cache, threads=2)
    rng = np.random.default_rng(0)
    check(maps, image, labels, random_positions(rng, side, BATCH)[0])
    theirs = label_epochs(*maps, setting.number(10, 2) * BATCH)
    batches = setting.number(300, 4) * BATCH
    ways = {
        OURS: lambda: make_batches(image, labels, random_positions(rng, side, batches)),
        WITH_VALIDITY: lambda: make_batches(holed, labels, random_positions(rng, side, batches)),
    }
    timings = in_turn(ways | theirs, setting.rounds)
    ours, rate = timings[OURS], timings[OURS].rate("tiles")
    longer = ours.times(timings[WITH_VALIDITY])
    return [
        Row(OURS, rate) if setting.tiny else at_least(OURS, rate, 1 / ours.median, RATE, "tiles/s"),
        Row(WITH_VALIDITY, timings[WITH_VALIDITY].rate("tiles")),
        at_most("with some pixels without data over the whole map", str(longer), longer.median, 1.05, "x"),
        *(Row(f"{name}, colours only", timings[name].rate("tiles")) for name in theirs),
        faster(f"{OURS} against the faster torchgeo", ours.times(fastest({n: timings[n] for n in theirs})), 60),
    ]


def make_batches(image: TiffReader, labels: LabelReader, batches: np.ndarray) -> int:
    """Read batches of tiles and proportions; return the number of tiles."""
    for positions in batches:
        tiles, proportions = image.read(positions, SIZE), labels.proportions(positions, SIZE)
        assert tiles.dtype == np.uint8
        assert len(tiles) == len(proportions)
    return batches.shape[0] * batches.shape[1]


def check(maps, image: TiffReader, labels: LabelReader, positions: np.ndarray) -> None:
    """Fail unless both ways read the same pixels and nearly the same classes, and the proportions fit the classes."""
    dataset = image_with_labels(*maps)
    classes = labels.read(positions, SIZE)[:, 0]
    colours = np.array(labels.legend.colors)
    same = []
    for position, tile, expected in zip(positions, image.read(positions, SIZE), classes):
        sample = tile_of(dataset, image, position)
        assert np.array_equal(sample["image"].numpy(), tile)
        ours = colours[expected.astype(int).clip(max=len(colours) - 1)].transpose(2, 0, 1)
        same.append((sample["mask"].numpy() == ours).all(0).mean())
    assert np.mean(same) >= SAME, f"only {np.mean(same):.1%} of the pixels have the same class"
    shares = np.stack([(classes == index).mean((1, 2)) for index in range(len(colours))], 1)
    assert np.allclose(labels.proportions(positions, SIZE), shares / shares.sum(1, keepdims=True), atol=1e-6)

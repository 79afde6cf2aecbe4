"""Faults of what applies a trained network to whole maps."""

from fault import Fault

INFERENCE = (
    Fault(
        "pixel-of-a-tile-at-its-corner", "inference/core", ("TileGrid.raster_transform",),
        (("(self.size - self.stride) / 2", "0"),),
        "offset", "A pixel of the raster of embeddings lies around its tile's corner where tiles overlap.",
        ("test_tile_grid.py", "test_cog.py"),
    ),
    Fault(
        "place-at-the-corner-of-its-tile", "inference/core", ("tiles_around",),
        (("- size / 2)", "- size)"),),
        "offset", "The tile around a place has the place in its lower right corner.",
        ("test_points.py", "test_places.py"),
    ),
    Fault(
        "last-strip-too-long", "inference/embedding", ("StripWriter.numbers",),
        (("min((strip + 1) * self.rows * columns, len(self.tiles))", "(strip + 1) * self.rows * columns"),),
        "off by one", "The last strip has more tiles than the map.",
        ("test_whole_map.py",),
    ),
    Fault(
        "embeddings-of-other-tiles-beside-tiles-without-data", "inference/embedding", ("StripWriter.write",),
        (("vectors[valid] = stored", "vectors[: len(stored)] = stored"),),
        "mask", "In a strip with a tile without data, the embeddings of later tiles move up.",
        ("test_whole_map.py",),
    ),
    Fault(
        "scale-for-the-sample-alone", "inference/embedding", ("choose_quantisation",),
        (("HEADROOM * float(", "float("),),
        "boundary", "Embeddings that are a little larger than those of the sample are clipped.",
        ("test_quantisation.py",),
    ),
    Fault(
        "digest-of-nothing-read", "training/runs", ("load_with_digest",),
        (('hashlib.file_digest(file, "sha256")', 'hashlib.sha256(str(path).encode())'),),
        "wrong key", "Networks are told apart by their paths, not by what their files hold.",
        ("test_trained_run.py",),
    ),
    Fault(
        "quantised-towards-zero", "inference/embedding", ("Quantisation.stored",),
        (("np.rint(", "np.trunc("),),
        "rounding", "Embeddings in 8 bits are up to a step too small.",
        ("test_whole_map.py",),
    ),
    Fault(
        "scale-of-one-in-the-file", "inference/files", ("_write_plain",),
        (("[embedded.scale] * file.count", "[1.0] * file.count"),),
        "wrong value", "The GeoTIFF of embeddings says that its values are the embedding's.",
        ("test_cog.py",),
    ),
    Fault(
        "land-cover-where-there-is-no-data", "inference/land_cover", ("class_layers",),
        (("mask, codes.nodata)", "mask | True, codes.nodata)"),),
        "mask", "Pixels without data by the image's mask get a class.",
        ("test_classifying.py",),
    ),
    Fault(
        "long-vectors-are-more-similar", "inference/similar_places", ("Cosine.of",),
        ((" / np.sqrt(np.maximum(squares, SMALLEST_SQUARE))", ""),),
        "not normalised", "The cosine depends on the length that rounding to 8 bits gives.",
        ("test_similarity.py", "test_searching.py"),
    ),
    Fault(
        "results-overlap-by-one-pixel", "inference/similar_places", ("_block",),
        (("offset + grid.size - 1", "offset + grid.size - 2"),),
        "off by one", "Two results may share a row of pixels.",
        ("test_similarity.py",),
    ),
)  # fmt: skip

"""Faults in where tiles are drawn, and in the demo map."""

from fault import Fault

SAMPLERS = ("test_image_sampler.py", "test_imageSampler.py", "test_supervised_sampler.py", "test_tile_sampler.py")

SAMPLING = (
    Fault(
        "tile-reaches-into-a-reserved-cell", "dataProcessors/sampling", ("Area.touches_reserved",),
        (("self.period - self.size", "self.period - self.size + 1"), (" - self.size)", " - self.size + 1)")),
        "off by one", "A training tile may have a row or column of pixels in a reserved cell.",
        ("test_area.py", "test_image_sampler.py", "test_pool.py"),
    ),
    Fault(
        "largest-tolerated-share-is-refused", "dataProcessors/sampling", ("NodataLimit.accepts", "Area.has_data"),
        (("<= self.max_nodata", "< self.max_nodata"),),
        "boundary", "A tile whose share without data is exactly max_nodata is refused where its pixels are read.",
        ("test_area.py", "test_image_sampler.py"),
    ),
    Fault(
        "tile-with-all-data-of-its-blocks-is-refused", "dataProcessors/sampling", ("NodataLimit.accepts",),
        (("< self.size**2 - tolerated", "<= self.size**2 - tolerated"),),
        "boundary", "A tile that holds all data of its blocks, and lacks exactly as much as is tolerated, is refused.",
        ("test_area.py",),
    ),
    Fault(
        "steps-are-drawn-without-the-seed", "dataProcessors/sampling", ("TileSampler.begin_step",),
        (("[self.seed, step]", "[0, step]"),),
        "seed not used", "Runs of every seed draw the same tiles.",
        (*SAMPLERS, "test_batches.py"),
    ),
    Fault(
        "anchor-as-its-own-positive", "dataProcessors/sampling",
        ("SupervisedSampler.try_positives", "SupervisedSampler._like"),
        (("1 + self.rng.integers(", "self.rng.integers("), ("(own + 1, 1)", "(own, 1)")),
        "self not excluded", "By label an anchor may be drawn as its own positive, and its last neighbour never.",
        SAMPLERS,
    ),
    Fault(
        "another-date-may-be-the-same", "dataProcessors/sampling", ("_other",),
        (("dates + 1 + ", "dates + "),),
        "off by one", "A positive of another date is sometimes of the anchor's own, and never of the one before it.",
        ("test_dates.py",),
    ),
    Fault(
        "data-of-one-date-counts-for-all", "dataProcessors/sampling", ("Area.has_data",),
        (
            ("limit.accepts(place[own])", "self._limits[0].accepts(place[own])"),
            ("limit.accepts(xy[own])", "self._limits[0].accepts(xy[own])"),
        ),
        "wrong index", "A tile is drawn at a date at which it lies under clouds.",
        ("test_dates.py",),
    ),
    Fault(
        "clusters-are-drawn-anew-when-resumed", "dataProcessors/sampling", ("IndexBatches.task",),
        (("if step not in self.drawn:", "if True:"),),
        "stale state on resume", "Batches read ahead before an end are drawn again, by losses that came later.",
        ("test_batches.py", "test_resuming.py"),
    ),
    Fault(
        "pool-in-the-order-of-its-classes", "dataProcessors/sampling", ("balanced", "balance"),
        (("rng.permutation(chosen)", "chosen"),),
        "missing shuffle", "A pool has first a tile of every class, and so on, instead of a random order.",
        ("test_pool.py",),
    ),
    Fault(
        "rare-classes-behind-the-corners-of-their-blocks", "dataProcessors/sampling", ("_around_class",),
        (("middles - area.size // 2, rng", "middles, rng"),),
        "offset", "Tiles are looked for half a tile beside the places of a rare class, and fewer are found.",
        ("test_pool.py",),
    ),
    Fault(
        "promising-by-the-corner-of-a-tile", "dataProcessors/sampling", ("_promising",),
        (("(candidates + size // 2 - summary", "(candidates - summary"),),
        "offset", "A tile of a reserved cell is judged by the block of its corner, which may hold none of its class.",
        ("test_pool.py",),
    ),
    Fault(
        "scored-tiles-from-the-end-of-the-map", "dataProcessors/sampling", ("_promising",),
        (("order = rng.permutation(len(candidates))", "order = np.arange(len(candidates))"),),
        "ties", "On a large map, of equally good blocks the last ones are chosen: all scored tiles lie in one part.",
        ("test_pool.py",),
    ),
)  # fmt: skip

DEMO = (
    Fault(
        "demo-map-of-another-seed", "dataProcessors/demo", ("_is_whole",),
        (("tags.items() <= file.tags().items()", "tags.keys() <= file.tags().keys()"),),
        "stale cache", "A demo map of another size or seed is taken for the one asked for.",
        ("test_demo.py", "test_demo_files.py"),
    ),
    Fault(
        "labels-half-a-pixel-off", "dataProcessors/demo", ("_lookup",),
        (("np.floor(x)", "np.round(x)"),),
        "rounding", "The label maps of the demo landscape lie half a pixel beside the image.",
        ("test_demo.py", "test_demo_labels.py"),
    ),
    Fault(
        "failed-writer-is-ignored", "dataProcessors/demo", ("_write",),
        (("written.result()", "written.exception()"), (".result()", ".exception()")),
        "swallowed error", "What fails in a thread that writes a file of the demo map is not told.",
        ("test_demo.py", "test_demo_files.py", "test_full_disk.py"),
    ),
)  # fmt: skip

"""Faults in how maps are opened, decoded, prepared and read."""

from fault import Fault

RASTERS = (
    Fault(
        "rectangle-without-its-last-pixel", "dataProcessors/rasters", ("_rounded",),
        (("round(high)", "(round(high) - 1)"),),
        "off by one", "The part of a map in a lon/lat rectangle ends a pixel early along both axes.",
        ("test_grid.py", "test_tiffreader.py"),
    ),
    Fault(
        "codes-below-0-have-colours", "dataProcessors/rasters", ("fill_with_colours",),
        (("(codes >= 0) & (codes < len(palette))", "codes < len(palette)"),),
        "boundary", "Codes below 0 get the colours of the last entries of a palette.",
        ("test_bands.py",),
    ),
    Fault(
        "changes-beside-a-geopackage-are-missed", "dataProcessors/vectors", ("_parts",),
        (("return [unmerged] if", "return [] if"),),
        "stale cache", "What a program has changed in a GeoPackage that it has open makes no new prepared map.",
        ("test_vector_files.py",),
    ),
    Fault(
        "one-far-point-moves-all-to-infinity", "dataProcessors/rasters", ("_one_by_one",),
        (("if len(x) > 1:", "if len(x) < 1:"),),
        "boundary", "Where one point cannot be transformed, none is.",
        ("test_grid.py", "test_vector_source.py"),
    ),
    Fault(
        "infinity-is-data", "dataProcessors/rasters", ("ImageSource._read",),
        (("~np.isfinite(", "np.isnan("), ("np.logical_not(np.isfinite(pixels).all(0))", "np.isnan(pixels).any(0)")),
        "wrong mask", "Infinite values of a float image count as data.",
        (
            "test_tiffreader.py", "test_tiffreader_nodata.py", "test_image_source.py", "test_nodata.py",
            "test_bad_maps.py", "test_parts_without_data.py",
        ),
    ),
    Fault(
        "one-handle-for-all-threads", "dataProcessors/rasters", ("_Handles", "Handles"),
        (("(threading.local)", ""),),
        "shared between threads", "All threads read through one open file, which GDAL does not allow.",
        ("test_tiffreader.py", "test_image_source.py", "test_decoding.py", "test_matching.py", "test_label_places.py"),
    ),
    Fault(
        "largest-value-is-no-nodata", "dataProcessors/rasters", ("_can_hold", "can_hold"),
        (("<= limits.max", "< limits.max"), ("<= value <=", "<= value <")),
        "boundary", "A declared nodata value that is the largest of its type, such as 255, is ignored.",
        (
            "test_tiffreader.py", "test_tiffreader_nodata.py", "test_image_source.py", "test_nodata.py",
            "test_bad_maps.py", "test_parts_without_data.py",
        ),
    ),
)  # fmt: skip

LEGENDS = (
    Fault(
        "last-of-equally-near-colours", "dataProcessors/legends", ("nearest_colour_table",),
        (("distance < nearest", "distance <= nearest"), (" < nearest", " <= nearest")),
        "ties", "Of two colours of a legend that are equally near, a pixel gets the last instead of the first.",
        ("test_decoding.py", "test_matching.py", "test_label_colours.py"),
    ),
    Fault(
        "codes-sorted-without-their-classes", "dataProcessors/legends", ("code_decoder", "_segments"),
        (("[order].astype(", ".astype("), ("zip(first, beyond, classes", "zip(sorted(first), sorted(beyond), classes")),
        "wrong order", "Codes are sorted and their classes are not: a legend in another order is mixed up.",
        (
            "test_decoding.py", "test_matching.py", "test_label_files.py", "test_named_legends.py",
            "test_names_in_files.py",
        ),
    ),
    Fault(
        "unlabelled-pixels-in-the-shares", "dataProcessors/legends", ("proportions",),
        (("np.maximum(counts.sum(1, keepdims=True), 1)", "max(flat.shape[1], 1)"),),
        "wrong denominator", "Shares of classes are of all pixels of a tile, not of the labelled ones.",
        ("test_labels.py", "test_legend.py"),
    ),
    Fault(
        "class-codes-are-interpolated", "dataProcessors/legends", ("_onto_grid", "_warp_to_grid"),
        (("Resampling.nearest", "Resampling.bilinear"),),
        "wrong interpolation", "A label map is brought onto the image's pixels by mixing neighbouring class codes.",
        (
            "test_decoding.py", "test_matching.py", "test_label_places.py", "test_label_source.py", "test_bad_maps.py",
            "test_odd_maps.py",
        ),
    ),
    Fault(
        "class-names-from-one", "dataProcessors/class_tables", ("_names", "_rows"),
        (('"CategoryNames/Category"))', '"CategoryNames/Category"), 1)'),
         ("enumerate(categories)", "enumerate(categories, 1)")),
        "off by one", "The names in a side car are given to pixel values that are one larger.",
        (
            "test_decoding.py", "test_class_names.py", "test_segmentation.py", "test_matching.py",
            "test_label_files.py", "test_names_in_files.py",
        ),
    ),
)  # fmt: skip

PREPARED = (
    Fault(
        "block-counts-overflow", "dataProcessors/prepared", ("count_classes",),
        (("sum(1, dtype=np.uint16)", "sum(1, dtype=np.uint8)"),),
        "wrong dtype", "Counts of a class in a block are kept modulo 256.",
        (
            "test_tiffreader.py", "test_tiffreader_nodata.py", "test_blocks.py", "test_decoding.py", "test_matching.py",
            "test_label_places.py", "test_pool.py",
        ),
    ),
    Fault(
        "failed-chunk-is-ignored", "dataProcessors/prepared", ("Preparation.run",),
        (("future.result()", "0 if future.exception() else future.result()"),),
        "swallowed error", "What fails in a thread that decodes a map leaves a hole in the prepared map.",
        (
            "test_tiffreader.py", "test_preparation.py", "test_prepared_map.py", "test_bad_maps.py",
            "test_damaged_maps.py",
        ),
    ),
    Fault(
        "padding-counts-as-data", "dataProcessors/prepared",
        ("Preparation._write_summary", "Preparation._counts_inside"),
        (("np.minimum(", "(lambda found, _: found)("),),
        "edge of the map", "Blocks at the right and lower edge count the pixels that only fill them up.",
        (
            "test_tiffreader.py", "test_tiffreader_nodata.py", "test_preparation.py", "test_prepared_map.py",
            "test_area.py",
        ),
    ),
)  # fmt: skip

READERS = (
    Fault(
        "changed-file-is-not-noticed", "dataProcessors", ("_key", "file_identity"),
        (
            ("about.st_mtime_ns", "0"),
            ('"modified": modified, "sample": sample', '"modified": 0'),
        ),
        "stale cache", "A map that is written anew in the same size is not prepared anew.",
        ("test_tiffreader.py", "test_prepared_map.py"),
    ),
    Fault(
        "estimates-are-taken-for-exact", "dataProcessors",
        ("TiffReader._thinned_summary", "TiffReader._decimated_summary"),
        (("exact=False", "exact=True"),),
        "wrong flag", "Without a prepared map tiles are accepted by estimated counts, and their pixels not looked at.",
        ("test_tiffreader.py", "test_tiffreader_nodata.py", "test_area.py"),
    ),
    Fault(
        "a-place-is-its-own-positive", "dataProcessors", ("ImageSampler.masks",),
        (("apart > 0", "apart >= 0"), (" > 0  #", " >= 0  #"), ("(apart > 0) | (dates", "(apart >= 0) | (dates")),
        "self not excluded", "The same place in two rows of a batch makes a positive pair where min_pos_dist is 0.",
        ("test_image_sampler.py", "test_imageSampler.py"),
    ),
    Fault(
        "pool-of-another-seed", "dataProcessors", ("open_pool", "OpenMaps._pool"),
        ((', "seed": config.seed', ""),),
        "stale cache", "The pool that a run of another seed has saved is used.",
        ("test_maps.py", "test_pool.py"),
    ),
    Fault(
        "deviation-over-pixels-without-data", "dataProcessors", ("band_statistics",),
        (("np.where(valid, (", "np.where(True, ("),),
        "wrong mask", "The deviation of a band counts the pixels without data.",
        ("test_statistics.py",),
    ),
)  # fmt: skip

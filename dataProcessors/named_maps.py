"""The files of a run's maps: of the demo, of Germany, or those that the config names."""

from pathlib import Path

from config import Config, LabelFile, Maps
from dataProcessors.imageSampler import ImageSampler
from dataProcessors.rasters.image_files import image_files
from dataProcessors.rasters.opening import MapError, no_such_file
from dataProcessors.rasters.remote_options import is_missing
from dataProcessors.tiffreader import GEOMAP

DATA = Path("data")
DOWNLOAD_HINTS = {
    GEOMAP.SENTINEL.value: "a Sentinel-2 mosaic of Germany is available from s2maps.eu",
    GEOMAP.OSM.value: "OSM land use is available from osmlanduse.org",
    GEOMAP.CLC.value: "CORINE Land Cover is available from land.copernicus.eu",
}


def map_files(config: Config) -> Maps:
    """Return the paths of the run's maps, which are there; create the demo map if the config uses it.

    Raises:
        MapError: a file is missing: which one, where to get it, and how to run without it
    """
    return _check_files(named_maps(config), config.validation_map)


def check_map_files(config: Config) -> None:
    """Raise a MapError as `map_files` does; the demo map need not be there, and is not created."""
    if config.maps == "germany" or isinstance(config.maps, Maps):
        map_files(config)


def scored_labels(config: Config, files: Maps) -> tuple[str, LabelFile]:
    """Return the name that the user gave the label map of the evaluation, and its file."""
    return next((name, file) for name, file in files.labels.items() if name.lower() == config.validation_map)


def named_maps(config: Config) -> Maps:
    """Return the paths of the run's maps, which may be missing; create the demo map if the config uses it."""
    if config.maps == "demo" or config.maps == "demo_seasons":
        from dataProcessors.demo import make_demo, make_season

        paths = make_demo(DATA / "demo")
        labels = {"osm": LabelFile(path=str(paths.osm)), "clc": LabelFile(path=str(paths.clc))}
        if config.maps == "demo":
            return Maps(image=str(paths.image), labels=labels)
        summer, autumn = config.dates
        return Maps(image={summer: str(paths.image), autumn: str(make_season(DATA / "demo", autumn))}, labels=labels)
    if config.maps == "germany":
        return Maps(
            image=GEOMAP.SENTINEL.value,
            labels={"osm": LabelFile(path=GEOMAP.OSM.value), "clc": LabelFile(path=GEOMAP.CLC.value)},
            rect=ImageSampler.rectangle,
        )
    return config.maps


def _check_files(maps: Maps, label_map: str | None) -> Maps:
    images = [file for image in maps.images.values() for file in image_files(image)]
    needed = images + [file.path for name, file in maps.labels.items() if name.lower() == label_map]
    missing = [path for path in dict.fromkeys(needed) if is_missing(path)]
    if not missing:
        return maps
    problems = [
        no_such_file(path) + (f"; {DOWNLOAD_HINTS[path]}" if path in DOWNLOAD_HINTS else "") for path in missing
    ]
    advice = "Put it there, set the paths of your own maps in 'maps', or try the demo map: python main.py maps=demo"
    raise MapError(f"{'. '.join(problems)}. {advice}")

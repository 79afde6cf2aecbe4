"""Opens an image map of either kind: one file, or many that are read as one."""

from collections.abc import Sequence
from pathlib import Path

from config import command
from dataProcessors.rasters.image_files import image_files
from dataProcessors.rasters.image_source import ImageSource
from dataProcessors.rasters.mosaic import Mosaic
from dataProcessors.rasters.opening import MapError

MAX_COMMAND = 8  # files in a command that is shown

ImageMap = ImageSource | Mosaic


def open_image_map(
    image: str | Path | Sequence[str | Path], bands: Sequence[int | str] | None = None, nodata: float | None = None,
    crs: str | None = None,
) -> ImageMap:  # fmt: skip
    """Open an image map.

    Args:
        image: a path, a URL, a pattern, or a list of them
        bands, nodata: as for ImageSource
        crs: onto which all files are warped; None: the first file's grid, on which all of them must lie
    Raises:
        MapError: a file is missing or damaged, or the files are no single map
    """
    files = image_files(image)
    if len(files) == 1 and crs is None:
        return ImageSource(files[0], bands, nodata)
    return Mosaic(files, bands, nodata, crs)


def check_is_one_file(image: str | Sequence[str], crs: str | None) -> None:
    """Raise a MapError for a map that cannot be read without preparing it, with the command that makes it one file."""
    files = image_files(image)
    if len(files) == 1 and crs is None:
        return
    program = ("gdalbuildvrt", "mosaic.vrt") if crs is None else ("gdalwarp", "-r", "near", "-t_srs", crs)
    on_top_last = files[::-1]  # unlike here, where the first one is on top
    shown = [*on_top_last[:MAX_COMMAND], *(["..."] if len(files) > MAX_COMMAND else [])]
    made = [] if crs is None else ["mosaic.tif"]
    what = "'maps.image' names several files" if crs is None else "'maps.crs' is set"
    raise MapError(
        f"{what}, which needs a prepared map: set 'cache' to true, or make them one file: "
        f"{command(*program, *shown, *made)}"
    )

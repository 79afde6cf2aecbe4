"""Files beside a raster that belong to it by their name; GDAL reads neither .vat.dbf nor .clr beside a GeoTIFF."""

from pathlib import Path


def find_side_file(path: str, suffix: str) -> Path | None:
    """Return the file beside a raster: PATH.vat.dbf, STEM.vat.dbf or STEM.tif.vat.dbf, in letters of either case.

    Args:
        path: of the raster
        suffix: ".vat.dbf", ".clr" ...
    """
    raster = Path(path)
    if not raster.parent.is_dir():  # a remote file
        return None
    wanted = [f"{start}{suffix}".casefold() for start in (raster.name, raster.stem, f"{raster.stem}.tif")]
    found = {each.name.casefold(): each for each in raster.parent.iterdir() if each.name.casefold() in wanted}
    return next((found[name] for name in wanted if name in found), None)

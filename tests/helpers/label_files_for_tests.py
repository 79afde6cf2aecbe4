"""Label files on the pixels of one small image, with class names in them or beside them."""

import numpy as np
from maps_for_tests import CORNER, UTM32, patches, write_map

SIDE = 200
NAMES = ["Water", "Trees", "Grass", "Crops", "Built"]
FIVE = patches(SIDE, SIDE, np.arange(5, dtype="uint8"), 8)  # class of every pixel
HERE = {"crs": UTM32, "place": CORNER}
WORLD = {10: (0, 100, 0), 50: (250, 0, 0), 80: (0, 100, 200)}


def put(tmp_path, pixels, name="labels.tif", **options):
    pixels = np.asarray(pixels)
    return write_map(tmp_path / name, pixels if pixels.ndim == 3 else pixels[None], **(HERE | options))


def pam(path, inside, tag="PAM"):
    path.with_name(f"{path.name}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1">{inside}</PAMRasterBand></PAMDataset>'
    )
    return path


def categories(names):
    return "<CategoryNames>" + "".join(f"<Category>{name}</Category>" for name in names) + "</CategoryNames>"


def names_of(codes, names):
    """Class names (h, w) of codes (h, w); names: code -> name."""
    return np.array([names.get(code, "") for code in codes.ravel().tolist()]).reshape(codes.shape)

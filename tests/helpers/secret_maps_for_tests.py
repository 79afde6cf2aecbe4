"""Maps on a server that wants credentials, named by URLs that hold them, and a search for these in what is written."""

import json
from pathlib import Path

import numpy as np
import rasterio
from maps_for_tests import at, write_map
from runs_for_tests import FIELD, small_config, write_fields
from server_for_tests import Server

USER, PASSWORD, SIGNATURE = "n0b0dy-1n-here", "pa55w0rd-0f-n0b0dy", "5ignature-0f-n0ne"  # invented


def by_user(server: Server, path: Path) -> str:
    """Serve a file for a user with a password; return its URL with both."""
    far = server.put(path.read_bytes(), path.name, secret=f"{USER}:{PASSWORD}")
    return far.url.replace("://", f"://{USER}:{PASSWORD}@")


def signed(server: Server, path: Path) -> str:
    """Serve a file for signed URLs; return one."""
    far = server.put(path.read_bytes(), path.name, secret=f"sig={SIGNATURE}")
    return f"{far.url}?sv=2024&sig={SIGNATURE}"


def serve_maps(server: Server, folder: Path) -> dict[str, dict]:
    """Serve the fields as one image, as one in two files, and at two dates; return what it is -> keys of a config."""
    write_fields(folder)
    with rasterio.open(folder / "image.tif") as file:
        pixels, place = file.read(), file.transform
    half = pixels.shape[2] // 2 // FIELD * FIELD
    west = write_map(folder / "west.tif", pixels[:, :, :half], place=place)
    east = write_map(folder / "east.tif", pixels[:, :, half:], place=at(half, 0, place))
    later = write_map(folder / "later.tif", pixels[::-1], place=place)
    whole, labels = signed(server, folder / "image.tif"), by_user(server, folder / "labels.tif")
    halves = [by_user(server, west), signed(server, east)]
    images = {"one": whole, "many": halves, "dates": {"2019": halves, "2022": signed(server, later)}}
    raster = write_map(folder / "others.tif", np.ascontiguousarray(pixels[:1] // 2), place=place)
    yardsticks = {"others": {"path": by_user(server, raster)}}
    return {
        name: {"maps": {"image": image, "labels": {"fields": labels}}, "yardsticks": yardsticks}
        for name, image in images.items()
    }


def secret_config(name: str, keys: dict, **changes) -> Path:
    """Write the config of a run on such maps, which holds the secrets as a user's own file does; return its path."""
    path = Path(f"{name}.json")
    path.write_text(json.dumps(small_config(name=name, **keys) | changes))
    return path


def secrets_in(*folders: Path) -> list[str]:
    """Return which files in folders, or names of them, hold a secret."""
    paths = [path for folder in folders for path in folder.rglob("*")]
    files = [path for path in paths if path.is_file() and holds_secret(text_of(path))]
    assert len(paths) > 10, "runs have written more"
    return [str(path) for path in [*files, *(path for path in paths if holds_secret(path.name))]]


def text_of(path: Path) -> str:
    """Return the bytes of a file as text; arrays of texts have characters of four bytes, most of them 0."""
    return path.read_bytes().replace(b"\0", b"").decode("latin-1")


def holds_secret(text: str) -> bool:
    """Return whether a secret, or an end of one, is in a text."""
    return any(part in text for secret in (USER, PASSWORD, SIGNATURE) for part in (secret[:6], secret[-6:]))

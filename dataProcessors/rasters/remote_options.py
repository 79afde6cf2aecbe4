"""Which paths are remote, and GDAL's options for remote files. What the environment sets already stays."""

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)
SCHEMES = {
    "http://": "/vsicurl/http://", "https://": "/vsicurl/https://", "ftp://": "/vsicurl/ftp://", "s3://": "/vsis3/",
    "gs://": "/vsigs/", "az://": "/vsiaz/", "oss://": "/vsioss/",
}  # fmt: skip
GDAL_FOLDERS = ("/vsicurl/", "/vsicurl?", *(name for name in SCHEMES.values() if name.count("/") == 2))
CHUNK = 2048  # bytes: parts of a file are fetched and kept in multiples of it
READ_ONCE_CACHE = 32_000_000  # bytes that GDAL keeps of remote files where each block is read once
LEAST_CACHE, LARGEST_CACHE, SHARE_OF_MEMORY = 64_000_000, 4_000_000_000, 1 / 8  # where tiles share blocks
OPTIONS = {
    # one read after the other through GDAL's cache, which all threads share: else each thread fetches blocks anew
    "GDAL_HTTP_MULTIRANGE": "SERIAL",
    "CPL_VSIL_CURL_CHUNK_SIZE": str(CHUNK),
    "GDAL_HTTP_MAX_RETRY": "4",  # after 429, 500, 502, 503 and 504; GDAL's default is not at all
    "GDAL_HTTP_RETRY_DELAY": "1",  # seconds, about doubled each time; GDAL's default is 30
    "GDAL_HTTP_CONNECTTIMEOUT": "20",  # seconds
    "GDAL_HTTP_LOW_SPEED_TIME": "60",  # seconds of less than LOW_SPEED_LIMIT bytes a second end a connection
    "GDAL_HTTP_LOW_SPEED_LIMIT": "100",
}
OPEN_OPTIONS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}  # asks for no list of the folder, and no files beside it
CREDENTIALS = {  # option that asks without credentials -> variables of the environment, and files, that hold some
    "AWS_NO_SIGN_REQUEST": (
        ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
         "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONFIG_FILE",
         "AWS_SHARED_CREDENTIALS_FILE"),
        ("~/.aws/credentials", "~/.aws/config"),
    ),
    "GS_NO_SIGN_REQUEST": (
        ("GS_ACCESS_KEY_ID", "GS_OAUTH2_REFRESH_TOKEN", "GS_OAUTH2_PRIVATE_KEY", "GS_OAUTH2_PRIVATE_KEY_FILE",
         "GOOGLE_APPLICATION_CREDENTIALS", "GDAL_HTTP_HEADERS", "GDAL_HTTP_HEADER_FILE"),
        ("~/.boto", "~/.config/gcloud/application_default_credentials.json"),
    ),
}  # fmt: skip
NO_SIGN_OF = {"/vsis3/": "AWS_NO_SIGN_REQUEST", "/vsigs/": "GS_NO_SIGN_REQUEST"}


def is_missing(path: str) -> bool:
    """Return whether a path of this machine leads to no file; of URLs and GDAL's own names only GDAL knows."""
    return "://" not in path and not path.startswith("/vsi") and not os.path.exists(path)


def is_remote(path: str) -> bool:
    """Return whether a path is a URL of another machine, or GDAL's name of one such as /vsicurl/https://..."""
    return path.lower().startswith(tuple(SCHEMES)) or path.startswith(GDAL_FOLDERS)


def gdal_name(path: str) -> str:
    """Return GDAL's name of a remote file: /vsicurl/https://... for https://..., /vsis3/BUCKET/KEY for s3://..."""
    scheme = next((each for each in SCHEMES if path.lower().startswith(each)), None)
    return path if scheme is None else SCHEMES[scheme] + path[len(scheme) :]


def set_options(path: str) -> None:
    """Set GDAL's options for a remote file. GDAL takes the sizes of chunks and cache from the first file it reads."""
    for name, value in OPTIONS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("CPL_VSIL_CURL_CACHE_SIZE", str(_cache_size()))
    option = next((option for folder, option in NO_SIGN_OF.items() if gdal_name(path).startswith(folder)), None)
    if option is not None and option not in os.environ and not _has_credentials(option):
        log.info("%s: no credentials are found, so it is asked for as a public file (%s=YES)", path, option)
        os.environ[option] = "YES"


def limit_cache() -> None:
    """Let GDAL keep little of remote files, for maps that are prepared: each of their blocks is read once."""
    os.environ.setdefault("CPL_VSIL_CURL_CACHE_SIZE", str(READ_ONCE_CACHE))


def open_options() -> dict[str, str]:
    """Return the options for as long as a remote file is opened or read; they would be wrong for other files."""
    return {name: value for name, value in OPEN_OPTIONS.items() if name not in os.environ}


def _cache_size() -> int:
    """Return how many bytes GDAL may keep of remote files: the compressed blocks of an epoch, if the memory allows."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return LEAST_CACHE
    return int(min(max(memory * SHARE_OF_MEMORY, LEAST_CACHE), LARGEST_CACHE))


def _has_credentials(option: str) -> bool:
    variables, files = CREDENTIALS[option]
    return any(os.environ.get(name) for name in variables) or any(Path(each).expanduser().exists() for each in files)

"""Why a server does not give a file, by the reason that GDAL tells, and what its user can do."""

import re

from dataProcessors.rasters.opening import MapError
from dataProcessors.rasters.remote_options import gdal_name

NO_RANGES = "Range downloading not supported"
STATUS = re.compile(r"(?:HTTP|response|error) (?:response |error )?code\D{0,3}(\d{3})")
# in the words of S3, Google Cloud Storage, Azure and of GDAL itself, which name no status
NO_CREDENTIALS = re.compile(
    r"access ?denied|access key|request signature|token .*(?:expired|invalid)|credentials|configuration option",
    re.I,
)
NO_SUCH = re.compile(r"specified (?:key|bucket|blob|container) does not exist", re.I)
URL_CREDENTIALS = (
    "Give the whole URL, for example maps.image=URL, or credentials in the environment; those in a URL are not stored "
    "with a run, and signed URLs expire"
)
BUCKET_CREDENTIALS = "Set the credentials of this bucket in the environment; doc/maps.md says which, under Credentials"
CORRECT, OTHERWISE = "Correct the URL", "Correct the URL if it is wrong, or try again later"


def refusal(path: str, reason: str) -> MapError:
    """Return the error for a file that cannot be had, by the reason that GDAL gives."""
    if NO_RANGES in reason:
        return MapError(
            f"{path}: the server sends only whole files, and no parts of them. Download the file and give its path."
        )
    advice = _advice(path, reason) or OTHERWISE
    return MapError(f"{path}: cannot be had from the server: {reason.rstrip('.')}. {advice}.")


def is_final(path: str, reason: str) -> bool:
    """Return whether it is no use to ask again: the server gives no parts, has no such file, or none for us."""
    return NO_RANGES in reason or _advice(path, reason) is not None


def _advice(path: str, reason: str) -> str | None:
    """Return what the user can do; None: the reason does not tell."""
    found = STATUS.search(reason)
    status = found[1] if found else ""
    if status in ("404", "410") or NO_SUCH.search(reason):
        return CORRECT
    if status in ("401", "403") or NO_CREDENTIALS.search(reason):
        return URL_CREDENTIALS if gdal_name(path).startswith("/vsicurl") else BUCKET_CREDENTIALS
    return None

"""What a user is told where a server does not give a file: reasons in the words of GDAL and of the stores."""

import pytest

from dataProcessors.rasters.map_file import RemoteFile
from dataProcessors.rasters.opening import MapError
from dataProcessors.rasters.refusals import is_final, refusal

WEB, BUCKET = "https://host/a.tif", "s3://bucket/a.tif"
SECRETS = ("AWS_NO_SIGN_REQUEST", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_CONNECTION_STRING",
           "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN")  # fmt: skip


@pytest.mark.parametrize(
    "path, reason, advice",
    [
        (WEB, "HTTP response code: 404", "404. Correct the URL."),
        (WEB, "HTTP response code: 403", "403. Give the whole URL"),
        (WEB, "CURL error: SSL certificate problem: certificate has expired", "if it is wrong, or try again later"),
        (WEB, "HTTP response code: 503", "if it is wrong, or try again later"),
        (BUCKET, "HTTP response code: 403", "403. Set the credentials of this bucket"),
        (BUCKET, "Access Denied", "Set the credentials of this bucket"),
        (BUCKET, "The AWS Access Key Id you provided does not exist in our records.", "Set the credentials"),
        (BUCKET, "The request signature we calculated does not match the signature you provided.", "Set the cred"),
        (BUCKET, "The provided token has expired.", "Set the credentials of this bucket"),
        (BUCKET, "The specified key does not exist.", "exist. Correct the URL."),
        (BUCKET, "The specified bucket does not exist", "exist. Correct the URL."),
    ],
)
def test_the_advice_fits_the_reason(path, reason, advice):
    message = str(refusal(path, reason))
    assert message.startswith(f"{path}: cannot be had from the server: ") and advice in message
    assert is_final(path, reason) == ("try again later" not in advice)


@pytest.mark.parametrize("url", ["az://container/a.tif", "s3://bucket/a.tif"])
def test_where_credentials_are_missing_gdal_names_the_variables_and_the_page_with_them_is_named(
    url, monkeypatch, tmp_path
):
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "NO")  # "ask with credentials"
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "YES")
    monkeypatch.setenv("CPL_AWS_AUTODETECT_EC2", "NO")
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    with pytest.raises(MapError, match=r"(AZURE_STORAGE_ACCOUNT|AWS_SECRET_ACCESS_KEY).*Set the credentials of this"):
        RemoteFile(url)

"""Windows paths whose backslashes JSON would take for escapes."""

import json

import pytest

from config import ConfigError, load

CONFIG = """{ // a comment with "C:\\data"
"network": "resnext50", "loss": "tripletloss", "validation_map": "osm",
"maps": {"image": "%s", "labels": {"osm": "b.tif"}}}"""


def read(tmp_path, image: str, *overrides: str):
    path = tmp_path / "my.json"
    path.write_text(CONFIG % image, encoding="utf8")
    return load(path, overrides).maps.image


@pytest.mark.parametrize(
    ("written", "path"),
    [
        (r"C:\\data\\new.tif", r"C:\data\new.tif"), ("C:/data/new.tif", "C:/data/new.tif"),
        (r"\u00e4cker.tif", "äcker.tif"), (r"\\\\server\\maps\\x.tif", r"\\server\maps\x.tif"),
    ],
)  # fmt: skip
def test_paths_that_are_written_right(tmp_path, written, path):
    assert read(tmp_path, written) == path


@pytest.mark.parametrize(
    ("written", "advised"),
    [
        (r"C:\temp\new.tif", "C:/temp/new.tif"), (r"C:\data\image.tif", "C:/data/image.tif"),
        (r"C:\users\me.tif", "C:/users/me.tif"), (r"data\forest.tif", "data/forest.tif"),
        (r"..\xyz.tif", "../xyz.tif"),
    ],
)  # fmt: skip
def test_backslashes_that_json_would_eat_are_noticed(tmp_path, written, advised):
    with pytest.raises(ConfigError) as told:
        read(tmp_path, written)
    assert "\n" not in str(told.value)
    assert f'Double the backslashes of a path, or write slashes: "{advised}"' in str(told.value)


def test_a_path_that_ends_in_a_backslash_leaves_its_string_open(tmp_path):
    with pytest.raises(ConfigError, match=r"not valid JSON.*Double the backslashes"):
        read(tmp_path, "data\\")


def test_a_path_in_a_list(tmp_path):
    with pytest.raises(ConfigError, match=r"'maps\.image' has a control character .* meant: C:\\temp\. "):
        read(tmp_path, "a.tif", 'maps.image=["a.tif", "C:\\temp"]')


def test_overrides_may_be_plain_paths_but_no_wrong_json(tmp_path):
    for path in (r"C:\temp\new.tif", r"C:\it's\Bob's.tif"):
        assert read(tmp_path, "a.tif", f"maps.image={path}") == path
        assert read(tmp_path, "a.tif", f"maps.image={json.dumps(path)}") == path
    for override in (r'maps.image="C:\temp\new.tif"', r'maps.labels={"osm": "C:\data\new.tif"}'):
        with pytest.raises(ConfigError, match="Double the backslashes"):
            read(tmp_path, "a.tif", override)


def test_a_name_with_a_blank_is_told_what_is_allowed(tmp_path):
    with pytest.raises(ConfigError, match=r"'name' .* letters, digits and _ \. \+ - without blanks"):
        read(tmp_path, "a.tif", "name=my run")

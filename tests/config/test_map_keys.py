"""The key `maps`: images, also of several dates, label maps, and what goes together there."""

import json

import pytest
from configs_for_tests import MINIMAL, message, own_maps

from config import ConfigError, LabelFile, validate


@pytest.mark.parametrize(
    ("changes", "part"),
    [({"rect": [15, 47, 5, 55]}, "'maps.rect' must be west < east"), ({"rect": [5, 55, 15, 47]}, "'maps.rect'"),
     ({"rect": [5, 50, 15, 50]}, "'maps.rect'"), ({"rect": [5, 47, 5, 55]}, "'maps.rect'"),
     ({"rect": [5, 47, 190, 55]}, "'maps.rect'"), ({"rect": [5, 47, 15]}, "'maps.rect'"),
     ({"legends": {"clc": "clc"}}, "'maps.legends' has names that 'maps.labels' does not have: clc"),
     ({"labels": {"osm": "a", "OSM": "b"}}, "upper and lower case"), ({"labels": {}}, "'maps.labels'"),
     ({"labels": {"own": "a"}}, "'validation_map' must be one of the label maps: own. Got 'osm'"),
     ({"labels": {"osm": "a", "": "b"}}, "'maps.labels'"), ({"legends": {"osm": ""}}, "'maps.legends'"),
     ({"bands": [0]}, "'maps.bands'"), ({"image": ""}, "'maps.image'"), ({"nodata": "none"}, "'maps.nodata'")],
)  # fmt: skip
def test_maps_in_contradiction(changes, part):
    assert part in message(own_maps(**changes))


def test_a_label_map_is_a_path_or_says_where_it_is_in_its_file():
    labels = {"a": "a.tif", "osm": {"path": "b.tif", "band": 3}, "c": {"path": "c.gpkg", "layer": "l", "column": "k"}}
    config = validate(own_maps(labels=labels))
    assert config.maps.labels["a"] == LabelFile(path="a.tif")
    assert json.loads(config.to_json())["maps"]["labels"] == labels
    for wrong in ({"path": ""}, {"path": "b.tif", "bnd": 3}, {"path": "b.tif", "band": 0}, {"band": 1}, 3):
        assert "'maps.labels'" in message(own_maps(labels={"osm": wrong}))


def test_the_image_is_a_path_or_a_list_of_them():
    config = validate(own_maps(image=["a.tif", "tiles/*.tif"], crs="EPSG:3035"))
    assert config.maps.image == ("a.tif", "tiles/*.tif") and validate(json.loads(config.to_json())) == config
    assert validate(own_maps()).maps.crs is None
    for wrong in ([], [""], ["a.tif", 3], [["a.tif"]], 3, None):
        assert "'maps.image' must be of this form (path" in message(own_maps(image=wrong))
    assert "'maps.crs' must be" in message(own_maps(crs=""))


def test_bands_have_numbers_or_names():
    assert validate(own_maps(bands=[4, "red"])).maps.bands == (4, "red")


def test_label_maps_may_have_any_name_in_any_case():
    assert validate(own_maps(labels={"../a b/ü\n": "a"}) | {"validation_map": "../a b/ü\n"})
    assert validate(own_maps(labels={"My Land": "a"}) | {"validation_map": "My Land"}).validation_map == "my land"
    assert "osm, clc" in message(MINIMAL | {"validation_map": "nlcd"})


@pytest.mark.parametrize("wrong", [{"rect": [1, 2]}, {"band": [1]}, {"image": ""}, {"nodata": "x"}])
def test_a_problem_of_ones_own_maps_is_told_once(wrong):
    with pytest.raises(ConfigError) as told:
        validate(own_maps(**wrong))
    assert len(str(told.value).splitlines()) == 1


def dated(**changes):
    own = {"image": {"2019": "a.tif", "2022": "b.tif"}, "labels": {"osm": "c.tif"}}
    return MINIMAL | {"maps": own | changes.pop("maps", {})} | changes


def test_images_of_several_dates():
    config = validate(dated(positive_dates="other", min_pos_dist=0, max_pos_dist=0))
    assert (config.dates, config.maps.scored_date) == (["2019", "2022"], "2022")
    assert config.maps.of_date("2019").image == "a.tif"
    assert validate(dated(maps={"validation_date": "2019"})).maps.scored_date == "2019"
    single = validate(own_maps())
    assert (single.dates, single.maps.scored_date, single.maps.images) == ([""], "", {"": single.maps.image})
    assert validate(MINIMAL | {"maps": "demo_seasons", "positive_dates": "any"}).dates == ["summer", "autumn"]
    assert "'positive_dates': no effect where 'maps.image' has a single date" in " ".join(
        validate(MINIMAL | {"positive_dates": "any"}).warnings()
    )


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (dated(maps={"validation_date": "2020"}), "one of the dates of 'maps.image': 2019, 2022. Got '2020'"),
        (MINIMAL | {"positive_dates": "other"}, "'maps.image' has a single date"),
        (MINIMAL | {"positive_dates": "last"}, "'positive_dates' must be one of same, other, any. Got 'last'"),
        (dated(maps={"image": {}}), "'maps.image' must be of this form"),
        (dated(maps={"image": {"2019.5": "a.tif"}}), "'maps.image' must be of this form"),
        (dated(min_pos_dist=0, max_pos_dist=0), "'max_pos_dist' is 0, and no tile is its own positive"),
        (dated(min_pos_dist=0, max_pos_dist=0, positive_dates="any", loss="magnetloss", batch_size=3), "has 2 tiles"),
    ],
)  # fmt: skip
def test_contradictions_of_dates(values, part):
    told = message(values)
    assert part in told and "\n" not in told


@pytest.mark.parametrize("name", ["image", "Image", "image 2022"])
def test_a_label_map_is_not_called_as_the_image_is(name):
    """Checkpoints hold both by name."""
    told = message(dated(maps={"labels": {name: "l.tif"}}) | {"validation_map": name.lower()})
    assert told.endswith(
        "'maps.labels': no label map may be called 'image', as the image map is. Give it another name."
    )


def test_a_validation_date_needs_dates():
    assert "names a date, and 'maps.image' has none" in message(own_maps(validation_date="2019"))

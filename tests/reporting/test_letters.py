"""Letters of names that no font has."""

import warnings

import matplotlib as mpl
import pytest

from dataProcessors.legends.legend import Legend
from reporting.figures import letters
from reporting.figures.letters import legible
from reporting.figures.style import class_names, new_figure


@pytest.fixture(autouse=True)
def anew():
    """Fonts are looked for once for the same letters."""
    letters._missing_letters.cache_clear()
    with mpl.rc_context():
        yield
    letters._missing_letters.cache_clear()


@pytest.fixture
def one_font(monkeypatch):
    monkeypatch.setattr(letters.fontManager, "ttflist", [])


def test_names_that_the_font_has_stay(caplog):
    names = ["Wald", "лес", "δάσος", "no label"]
    assert legible(names, ["1", "2", "3", "4"]) == names
    assert not caplog.records


def test_letters_that_no_font_has_are_replaced_and_told_once(one_font, caplog):
    for _ in range(2):
        assert legible(["森林", "水 body", "Wald"], ["class 1", "class 2", "class 3"]) == ["class 1", "? body", "Wald"]
    (record,) = caplog.records
    assert "the letters 林 森 水:" in record.getMessage() and "\n" not in record.getMessage()


def test_another_font_that_has_them_is_used(monkeypatch):
    class Font:
        name, fname = "Other", "other.ttf"

    whole = letters._letters_of
    monkeypatch.setattr(letters.fontManager, "ttflist", [Font])
    monkeypatch.setattr(letters, "_letters_of", lambda path: {"森", "林"} if path == "other.ttf" else whole(path))
    assert legible(["森林"], ["class 1"]) == ["森林"]
    assert mpl.rcParams["font.family"][-1] == "Other"


@pytest.mark.parametrize(("codes", "first"), [((41, 42), "class 41"), (None, "class 1")])
def test_figures_of_such_classes_draw_without_a_warning(one_font, codes, first):
    legend = Legend("map", ("森林", "🌾 crops"), ((0, 0, 0), (9, 9, 9)), codes)
    names = class_names(legend, 20)
    assert names == [first, "? crops", "no label"]
    figure = new_figure(3, 3)
    figure.add_subplot(title=" ".join(names))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()

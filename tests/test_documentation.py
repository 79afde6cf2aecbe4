"""The pages of the documentation: they can be followed, and agree with the code."""

import ast
import importlib
import json
import re
from typing import Any, Literal, get_args, get_origin

import pytest
from pages_for_tests import DOC, PAGES, ROOT, anchors, code_blocks, links, name_of, prose, read, tables
from pydantic.fields import FieldInfo

from config import CHANGEABLE_ON_RESUME, Config
from config.library import LIBRARY_LOSSES, LIBRARY_MINERS
from config.reading import read_json
from config.types import Maps
from dataProcessors.legends.legend import builtin_legends
from evaluation.models import CLASSIFIERS
from grid.file import GridFile
from inference.core.given_maps import OVERRIDES, PATHS
from main import VERBS, describe_overrides
from networks import NETWORKS

LIMITS = {"ge": "at least", "gt": "over", "le": "at most", "lt": "under"}
MAX_LINE = 120
of_pages = pytest.mark.parametrize("page", PAGES, ids=name_of)


def fields() -> dict[str, FieldInfo]:
    """Every key of a config, those of `maps` with their prefix."""
    return dict(Config.model_fields) | {f"maps.{name}": field for name, field in Maps.model_fields.items()}


def bounds_of(part: Any) -> set[tuple[str, float]]:
    """Every bound within a field or a type, with the words that the page has for it."""
    found = {(word, float(getattr(part, name))) for name, word in LIMITS.items() if hasattr(part, name)}
    inner = [*getattr(part, "metadata", ()), *get_args(getattr(part, "annotation", part))]
    return found.union(*(bounds_of(each) for each in inner))


def words_of(annotation: Any) -> set[str]:
    """The words of all Literals within a type."""
    if get_origin(annotation) is Literal:
        return {str(value) for value in get_args(annotation)}
    return set().union(*(words_of(part) for part in get_args(annotation)))


def rows_of_keys() -> dict[str, list[str]]:
    """The table of the keys: key -> meaning, range, default."""
    (table,) = tables(DOC / "config.md", "key")
    keys = [row for row in table if not row[0].startswith("**")]
    rows = {row[0].strip("`"): row[1:] for row in keys}
    assert len(rows) == len(keys), "a key has two rows"
    return rows


def test_the_readme_is_short():
    assert len(read(ROOT / "README.md").splitlines()) <= 150


@of_pages
def test_lines_of_prose_are_short(page):
    machine = re.compile(r".*GiB; .*torch \d")  # one line, which the benchmarks write
    long = [number for number, line in prose(page) if len(line) > MAX_LINE and not machine.match(line)]
    assert not long, f"{name_of(page)}: lines {long} are longer than {MAX_LINE}"


@of_pages
def test_every_link_leads_somewhere(page):
    for link in links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: {link}"
        assert not anchor or anchor in anchors(target), f"{name_of(page)}: {link}"


def test_every_page_is_in_the_index_and_every_picture_on_a_page():
    pages = {DOC / link.partition("#")[0] for link in links(DOC / "README.md")}
    assert set(DOC.glob("*.md")) - {DOC / "README.md"} <= pages
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page) if link.endswith(".png")}
    assert set((DOC / "images").glob("*.png")) == shown


@of_pages
def test_every_file_that_is_named_exists(page):
    """Paths in backticks with a folder and a suffix; those of data and results are made by runs."""
    named = re.findall(r"`([\w.-]+/[\w./-]*\.(?:py|json|md|txt|toml))`", read(page))
    wanted = [path for path in named if not path.startswith(("data/", "results/")) and "NAME" not in path]
    missing = [path for path in wanted if not (ROOT / path).exists()]
    assert not missing, f"{name_of(page)}: {missing}"


@of_pages
def test_python_code_imports_what_exists(page):
    for code in code_blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not missing, f"{name_of(page)}: {node.module} has no {missing}"
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    importlib.import_module(alias.name)


@of_pages
def test_json_code_is_a_config_or_a_grid_or_a_legend(page):
    for code in code_blocks(page, "json"):
        content = read_json(code if code.lstrip().startswith("{") else f"{{{code}}}")
        if {"configs", "axes"} & set(content):
            assert set(content) <= set(GridFile.model_fields), name_of(page)
            continue
        assert set(content) <= set(Config.model_fields) or list(content) == ["classes"], name_of(page)
        if "maps" in content:
            Maps(**content["maps"])


@of_pages
def test_commands_of_main_have_verbs_and_configs_that_exist(page):
    for arguments in re.findall(r"^\s*python main\.py([^#\n]*)", "\n".join(code_blocks(page, "bash")), re.MULTILINE):
        first = (arguments.split() or ["config.json"])[0]
        known = first in VERBS or "=" in first or first == "my.json" or (ROOT / first).exists()
        assert known, f"{name_of(page)}: python main.py{arguments}"


def test_the_readme_has_the_two_commands_of_the_quick_start():
    commands = [line for line in read(ROOT / "README.md").splitlines() if line.startswith("python3 -m venv ")]
    assert [command.rpartition(" && ")[2] for command in commands] == [
        ".venv/bin/python main.py", ".venv/bin/python -m pytest",
    ]  # fmt: skip


def test_the_config_page_has_every_key_and_no_other():
    assert set(rows_of_keys()) == set(fields())


@pytest.mark.parametrize("key", fields())
def test_the_config_page_agrees_with_the_code(key):
    field, (meaning, allowed, default) = fields()[key], rows_of_keys()[key]
    assert len(meaning) > 5
    if field.is_required():
        assert default == "required"
    else:
        assert json.loads(default.strip("`")) == json.loads(json.dumps(field.default))
    told = re.findall(r"(at least|over|at most|under) (-?[\d.]+)", allowed)
    assert {(word, float(number)) for word, number in told} == bounds_of(field)
    words = words_of(field.annotation)
    assert not words or words == set(re.findall(r"`(\w+)`", allowed))


def test_the_page_of_grids_has_every_key():
    (table,) = tables(DOC / "grid.md", "key")
    assert [row[0].strip("`") for row in table] == list(GridFile.model_fields)


@pytest.mark.parametrize(("place", "verb"), [(0, "embed"), (1, "classify"), (2, "search")])
def test_the_page_of_whole_maps_has_every_option(place, verb):
    table = tables(DOC / "inference.md", "option")[place]
    told = {option for row in table for option in re.findall(r"--?\w[\w-]*", row[0])} - {"--no-index"}
    options = [set(option.names) for option in VERBS[verb].options]
    assert [names for names in options if not told & names] == []
    assert told <= set().union(*options)


def test_keys_of_whole_maps_are_on_their_page_and_in_the_help():
    page, help_text = read(DOC / "inference.md").partition("## Embed a map")[0], describe_overrides()
    for key in (*OVERRIDES, *PATHS):
        assert re.search(rf"`{key}[=`]", page), key
        assert key in help_text, key


def test_keys_that_may_change_are_named_where_resuming_is_described():
    section = read(DOC / "runs.md").partition("## Stop and resume")[2].partition("\n## ")[0]
    sentence = section.partition("may be changed")[0].rpartition("\n\n")[2]
    assert set(CHANGEABLE_ON_RESUME) == set(re.findall(r"`(\w+)`", sentence))


@pytest.mark.parametrize(
    ("first_cell", "known"),
    [("loss", {name: parameters for name, (_, parameters) in LIBRARY_LOSSES.items()}), ("miner", LIBRARY_MINERS)],
)
def test_the_page_of_losses_has_the_parameters_of_the_library(first_cell, known):
    (table,) = tables(DOC / "sampling_and_losses.md", first_cell)
    told = {
        name.strip("`"): {key: json.loads(value) for key, value in re.findall(r"`(\w+)` ([^,\s]+)", parameters)}
        for name, parameters in table
    }
    assert told == {name: {key: each.default for key, each in parameters.items()} for name, parameters in known.items()}


def test_losses_models_and_networks_are_on_their_pages():
    (losses,) = tables(DOC / "sampling_and_losses.md", '`"loss"`')
    names = set(re.findall(r"`(\w+)`", " ".join(row[0] for row in losses)))
    assert words_of(Config.model_fields["loss"].annotation) == names
    assert all(f"`{name}`" in read(DOC / "evaluation.md") for name in CLASSIFIERS)
    assert all(f"`{name}`" in read(DOC / "networks.md") for name in NETWORKS)


def test_the_page_of_land_cover_maps_has_every_legend_with_its_other_names():
    (table,) = tables(DOC / "land_cover_maps.md", "name here")
    legends = builtin_legends()
    assert {row[0].strip("`") for row in table} == set(legends)
    for row in table:
        legend = legends[row[0].strip("`")]
        assert set(re.findall(r"`(\w+)`", row[1])) <= set(legend.aliases)
        assert legend.url in row[2] and legend.licence.split(", ")[-1] in row[5]


def test_every_test_that_is_named_exists():
    named = re.findall(r"`(?:(test_\w+\.py))?(?:::(test_\w+))?`", read(DOC / "reliability.md"))
    files = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
    file, checked = None, 0
    for path, test in named:
        file = path or file
        if path:
            assert path in files, path
        if test:
            assert f"def {test}(" in read(files[file]), f"{file}::{test}"
            checked += 1
    assert checked > 40


def test_every_name_in_a_module_that_is_named_exists():
    named = [match for page in PAGES for match in re.findall(r"`(\w+)`\s+(?:in|of)\s+`((?:\w+/)+\w+\.py)`", read(page))]
    assert len(named) >= 5
    for name, module in named:
        assert re.search(rf"\b{name}\b", read(ROOT / module)), f"{name} in {module}"


def test_what_does_not_go_together_names_every_key_that_is_checked():
    source = read(ROOT / "config/contradictions.py")
    checked = {key for keys in re.findall(r"\{(\"\w+\"(?:, \"\w+\")*)\}", source) for key in re.findall(r"\w+", keys)}
    section = read(DOC / "config.md").split("## What does not go together")[1].split("\n## ")[0]
    assert len(checked) > 15
    words = set(re.findall(r"\w+", section))
    assert {key for key in checked if key not in {*words, "maps", "loss", "network"}} == set()


def test_the_single_test_of_the_contributing_page_exists():
    ((path, test),) = re.findall(r"pytest (tests/\S+\.py)::(\w+)", read(ROOT / "CONTRIBUTING.md"))
    assert f"def {test}(" in read(ROOT / path)

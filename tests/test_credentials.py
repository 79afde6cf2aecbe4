"""Maps whose URLs hold credentials: they are read by every verb, and no secret is in what is written or printed."""

import json
import signal
from pathlib import Path

import pytest
from grid_for_tests import grid_file
from interruptions_for_tests import interrupt_after
from runs_for_tests import ROOT, small_config
from secret_maps_for_tests import holds_secret, secret_config, secrets_in, serve_maps
from server_for_tests import running_server
from together_for_tests import codes_of, started_together

import grid.running
import main
from grid.plan import read_plan
from storage import write_text

WITHOUT_FIGURES = f"""
import sys
sys.path[:0] = {[str(ROOT), str(ROOT / "tests/helpers")]}
from together_for_tests import main_without_figures
main_without_figures(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def keys_of(tmp_path_factory):
    """Kind of map -> keys of a config that name it; the working folder is one of its own."""
    folder = tmp_path_factory.mktemp("secret")
    with pytest.MonkeyPatch.context() as patch, running_server() as server:
        patch.chdir(folder)
        yield serve_maps(server, folder)


@pytest.mark.parametrize("kind", ["one", "many", "dates"])
def test_what_the_verbs_write_holds_no_credentials(keys_of, kind, monkeypatch, no_figures, capfd):
    run, keys = Path(f"results/{kind}"), keys_of[kind]
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        assert main.main([str(secret_config(kind, keys, iterations=3))]) == 128 + signal.SIGTERM
    assert main.main(["resume", str(run)]) == 2, "the stored config has no credentials"
    assert "cannot be had from the server" in capfd.readouterr().err
    assert main.main(["resume", str(run), *given(keys)]) == 0
    again = given(paths_of(keys["maps"]))
    for verb, *options in (["embed"], ["classify"], ["search", "--at", "9.01", "49.64", "-k", "2"]):
        assert main.main([verb, str(run), *again, *options]) == 0, capfd.readouterr().err
    assert main.main(["report", str(run)]) == 0 and main.main(["cache"]) == 0
    said = capfd.readouterr()
    assert not holds_secret(said.out + said.err)
    assert "***" in (run / "run.json").read_text() and not secrets_in(Path("results"), Path("data"))
    (table,) = run.glob("searches/*/results.csv")
    assert "class" in table.read_text(), "the map is known as the run's own, whose labels name the classes"


def test_several_processes_train_and_resume_on_such_maps(keys_of):
    path = secret_config("together", keys_of["many"])
    assert codes_of(started_together(Path.cwd(), 2, str(path))) == [0, 0], said_together()
    resume = ["resume", "results/together", "epochs=2", *given(keys_of["many"])]
    assert codes_of(started_together(Path.cwd(), 2, *resume)) == [0, 0], said_together()
    text = said_together()
    assert text.count("The results are in") == 2 and not holds_secret(text)
    assert not secrets_in(Path("results"), Path("data"))


def test_a_grid_makes_and_resumes_runs_on_such_maps(keys_of, monkeypatch, no_figures, capfd):
    base, maps = small_config(iterations=3), {"far": keys_of["many"]}
    path = grid_file("secret", base=base, configs={"triplet": {}}, maps=maps, seeds=[0, 1], processes=2)
    Path("main.py").write_text(WITHOUT_FIGURES)
    monkeypatch.setattr(grid.running, "MAIN", Path("main.py"))
    monkeypatch.setattr("grid.writing.save_figure", lambda figure, path: None)
    first, second = read_plan(path).cells
    write_text(first.config_file, first.config.to_json())
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        begun = ["train", str(first.config_file), *given(first.config.with_credentials())]
        assert main.main(begun) == 128 + signal.SIGTERM
    assert main.main(["grid", str(path)]) == 0, first.log.read_text()
    said = capfd.readouterr()
    assert "2 of 2 runs are complete" in said.out and "resumed after step 2" in first.log.read_text()
    assert "resumed" not in second.log.read_text()
    assert main.main(["grid", str(path)]) == 0, "all is there, and is known as what the file asks for"
    assert "runs to make" not in capfd.readouterr().out
    assert not secrets_in(Path("results"), Path("data")) and not holds_secret(said.out + said.err)


def said_together() -> str:
    """Return what the processes that `started_together` started have said since the last call."""
    text = Path("output.txt").read_text()
    Path("output.txt").unlink()
    return text


def given(keys: dict) -> list[str]:
    """Return words of the command line that give keys without naming a secret."""
    path = Path("keys.json")
    path.write_text(json.dumps(keys))
    return ["--keys", str(path)]


def paths_of(maps: dict) -> dict:
    """Return the keys that name the maps of a run one by one, for verbs that apply its network."""
    image, labels = maps["image"], {f"maps.labels.{name}": path for name, path in maps["labels"].items()}
    of_dates = image if isinstance(image, dict) else {"": image}
    return labels | {f"maps.image.{date}".rstrip("."): path for date, path in of_dates.items()}

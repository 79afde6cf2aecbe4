"""What the verbs take on the command line."""

import sys
import threading
from pathlib import Path

import pytest

import command_line
import main
from config import load

URL = "https://me:secret@host/a.tif"


def test_verbs_say_how_many_targets_they_take(capsys):
    assert command_line.parse(["compare"], main.VERBS).targets == []
    assert command_line.parse(["compare", "a", "b"], main.VERBS).targets == [Path("a"), Path("b")]
    assert command_line.parse([], main.VERBS).targets == [Path("config.json")]
    assert command_line.parse(["resume", "results/a", "epochs=3"], main.VERBS).overrides == ["epochs=3"]
    wrong = {
        ("compare", "a", "seed=1"): "compare takes no key=value. Got seed=1.",
        ("report", "a", "seed=1"): "report takes no key=value",
        ("report",): "report takes one results/NAME. Got nothing.",
        ("report", "a", "b"): "report takes one results/NAME. Got a b.",
        ("resume",): "resume takes one results/NAME. Got nothing.",
    }
    for arguments, told in wrong.items():
        with pytest.raises(SystemExit) as ended:
            command_line.parse(list(arguments), main.VERBS)
        assert ended.value.code == 2
        assert told in capsys.readouterr().err


def test_keys_may_stand_in_a_file(tmp_path, capsys):
    path = tmp_path / "keys.json"
    path.write_text(f'{{"maps": {{"image": ["{URL}", "b.tif"]}}, // commented\n "maps.nodata": 0, "seed": 1}}')
    given = command_line.parse(["my.json", "--keys", str(path), "seed=2"], main.VERBS)
    assert given.targets == [Path("my.json")]
    assert given.overrides == [f'maps={{"image": ["{URL}", "b.tif"]}}', "maps.nodata=0", "seed=1", "seed=2"]
    (tmp_path / "my.json").write_text('{"network": "resnext50", "loss": "tripletloss", "validation_map": null}')
    config = load(tmp_path / "my.json", given.overrides)
    assert (config.maps.image, config.maps.nodata, config.seed) == ((URL, "b.tif"), 0, 2)
    assert main.main(["my.json", "--keys", str(tmp_path / "none.json")]) == 2
    told = "none.json: there is no such keys file. `python main.py train --help` lists the keys.\n"
    assert capsys.readouterr().err.endswith(told)
    with pytest.raises(SystemExit):
        command_line.parse(["compare", "--keys", str(path)], main.VERBS)


def test_errors_of_the_command_line_and_those_that_nobody_expected_show_no_credentials(capsys):
    for arguments in (["report", f"maps.image={URL}"], ["resume", URL, "b"], ["embed", "a", "--stride", URL]):
        with pytest.raises(SystemExit):
            command_line.parse(arguments, main.VERBS)
        assert "***@host" in (told := capsys.readouterr().err) and "secret" not in told
    assert main.main([URL]) == 2
    error = ValueError(f"{URL}: no")
    sys.excepthook(ValueError, error, None)
    threading.excepthook(threading.ExceptHookArgs([ValueError, error, None, threading.current_thread()]))
    told = capsys.readouterr().err
    assert told.count("***@host") == 3 and "secret" not in told and "Exception in thread MainThread" in told

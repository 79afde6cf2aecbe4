"""What the verbs take on the command line."""

from pathlib import Path

import pytest

import command_line
import main


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

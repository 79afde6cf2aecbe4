"""Commands in messages."""

import shlex

from config import command, main_command


def test_words_that_a_shell_would_split_are_quoted():
    words = ["resume", "results/my run", "epochs=3", "maps.image=$HOME/it's.tif"]
    assert shlex.split(main_command(*words)) == ["python", "main.py", *words]
    assert main_command("resume", "results/demo", "epochs=3") == "python main.py resume results/demo epochs=3"
    assert command("tensorboard", "--logdir", "a b") == "tensorboard --logdir 'a b'"

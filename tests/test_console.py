"""What is printed of errors."""

import logging

import pytest

import main
from config import UserError
from console import OnceAboutMaps, print_error


def test_messages_and_notes_of_errors_show_no_credentials(capsys):
    error = UserError("https://name:word@example.org/a.tif: no such file")
    error.add_note("as was asked for by https://example.org/b.tif?sig=abc&date=2019")
    print_error(error)
    text = (
        "https://***@example.org/a.tif: no such file\nas was asked for by https://example.org/b.tif?sig=***&date=2019\n"
    )
    assert capsys.readouterr().err == text
    print_error(error, "Another message.")
    assert capsys.readouterr().err.startswith("Another message.\nas was asked for by ")


@pytest.mark.parametrize("verb", ["resume", "report"])
def test_the_program_prints_its_errors_so(verb, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main.main([verb, "https://name:word@example.org/run"]) == 2
    printed = capsys.readouterr().err
    assert "example.org/run" in printed and "word" not in printed


def test_what_is_said_of_a_map_is_said_once():
    """A verb may open a map several times."""
    once = OnceAboutMaps()
    of_map = "dataProcessors.rasters.bands"
    said = [
        (of_map, "a.tif: 3 bands"),
        (of_map, "a.tif: 3 bands"),
        (of_map, "b.tif: 3 bands"),
        ("apply", "x"),
        ("apply", "x"),
    ]

    def passed(level: int) -> list[bool]:
        return [once.filter(logging.LogRecord(name, level, "", 0, "%s", (text,), None)) for name, text in said]

    assert passed(logging.INFO) == [True, False, True, True, True]
    assert all(passed(logging.WARNING)), "each retry of a map far away"

"""The parts of the report about the maps, the time, the machine and the config of a run."""

import json
import shlex
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config import Config, Maps
from reporting.report.curves import SPEED, step_figures
from reporting.report.html_elements import Html, Section, element, gallery, join, paragraph, table, text
from reporting.report.run import RunFiles
from reporting.tensorboard.logged_curves import Curve

BAND_KEYS = ("bands", "band_names", "scales", "offsets")  # of a map in run.json
BANDS_HEAD = ["band", "name", "scale", "offset"]
MAX_BANDS = 20  # that are listed
TIME_FORMAT = "%Y-%m-%d %H:%M:%S %z"  # of run.json


def run_maps(run: RunFiles) -> dict[str, dict]:
    """Return name -> description of each map, as run.json has it."""
    maps = run.info.get("maps")
    return {name: info for name, info in maps.items() if isinstance(info, dict)} if isinstance(maps, dict) else {}


def synthetic_maps(run: RunFiles) -> list[str]:
    """Return the names of the maps that show no place on Earth."""
    return [name for name, map_info in run_maps(run).items() if map_info.get("synthetic")]


def maps_table(run: RunFiles) -> list[Html]:
    """Return a list of one table of the maps, or an empty list if nothing is known about them."""
    rows = [
        [
            text(_map_name(name, info)),
            *(text(_format_value(info.get(key, "unknown"))) for key in ("path", "crs", "window")),
            _kind(info),
        ]
        for name, info in run_maps(run).items()
    ]
    head = ["map", "file", "coordinate system of the grid", "window (pixels)", "kind"]
    return [table("Maps; window: left, top, width and height of the part in use", head, rows, "facts")] if rows else []


def _map_name(name: str, info: dict) -> str:
    """Return the name of a map, with the date of an image that has one."""
    if "date" not in info:
        return name
    return f"image of {_format_value(info['date'])}{', on which everything is scored' if name == 'image' else ''}"


def bands_table(run: RunFiles) -> list[Html]:
    """Return a list of one table of the image's bands, or an empty list if the file says nothing about them."""
    info = run_maps(run).get("image", {})
    columns: list[list] = [each for key in BAND_KEYS if isinstance(each := info.get(key), list)]
    if len(columns) < len(BAND_KEYS):
        return []
    rows = [[text(_format_value(value)) for value in row] for row in zip(*columns)]
    rules = info["nodata"] if isinstance(info.get("nodata"), list) else []
    _, names, scales, offsets = columns
    if not (any(names) or any(offsets) or rules or any(scale != 1 for scale in scales)):
        return []
    nodata = [text(_format_nodata(rule)) for rule in rules if isinstance(rule, dict)]
    parts = [table(f"Bands of the image, {info.get('type', 'unknown')}", BANDS_HEAD, rows[:MAX_BANDS], "facts")]
    if len(rows) > MAX_BANDS:
        parts.append(paragraph(text(f"And {len(rows) - MAX_BANDS} more bands.")))
    return parts + [paragraph(rule) for rule in nodata]


def _format_nodata(rule: dict) -> str:
    where = "in all bands" if rule.get("in_all_bands") else "in any band"
    return f"No data: {_format_value(rule.get('source'))}, {where} of a pixel."


def _kind(map_info: dict) -> Html:
    return element("strong", text("synthetic")) if map_info.get("synthetic") else text("real")


def timing_section(run: RunFiles) -> Section:
    """Return the section about speed, machine and versions."""
    facts = [*_speed(run), *_times(run), *_machine(run)]
    rows = [[text(name), text(value)] for name, value in facts]
    parts = [table("Speed, machine and versions", [], rows, "facts")] if rows else []
    if figures := step_figures(run, SPEED):
        parts.append(gallery(figures, "curves"))
    return Section("timing", "Timing", join(parts))


def _speed(run: RunFiles) -> Iterator[tuple[str, str]]:
    curves = [curve for curve in run.curves.values() if len(curve.steps) > 1]
    if curves:
        longest = max(curves, key=lambda curve: len(curve.steps))
        yield from _steps_per_second(longest)
    if len(tiles := _values(run, "tiles_per_second")):
        yield "tiles per second (median)", f"{np.median(tiles):,.0f}"
    if len(waiting := _values(run, "wait_share")):
        yield "time waiting for data (mean)", f"{waiting.mean():.1%}"


def _values(run: RunFiles, name: str) -> np.ndarray:
    values = run.curves[name].values if name in run.curves else np.empty(0)
    return values[np.isfinite(values)]


def _steps_per_second(curve: Curve) -> Iterator[tuple[str, str]]:
    seconds = np.diff(curve.times) / np.diff(curve.steps)
    if np.median(seconds) > 0:
        yield "steps per second while training (median)", f"{1 / np.median(seconds):,.2f}"
    elapsed = curve.times[-1] - curve.times[0]
    if elapsed > 0:
        rate = (curve.steps[-1] - curve.steps[0]) / elapsed
        yield "steps per second, with evaluations and pauses", f"{rate:,.2f}"


def _times(run: RunFiles) -> Iterator[tuple[str, str]]:
    started, first = run.info.get("started"), None
    if started:
        yield "started", _format_value(started)
        try:
            first = datetime.strptime(str(started), TIME_FORMAT).timestamp()
        except ValueError:
            first = None
    last = max((float(curve.times[-1]) for curve in run.curves.values()), default=None)
    if last is not None:
        yield "last logged step", time.strftime(TIME_FORMAT, time.localtime(last))
        if first is not None and last >= first:
            yield "from the start to the last logged step", format_duration(last - first)
    resumed = run.info.get("resumed")
    for entry in resumed if isinstance(resumed, list) else []:
        if isinstance(entry, dict):
            yield "resumed", f"{_format_value(entry.get('at'))}, from step {_format_value(entry.get('step'))}"


def format_duration(seconds: float) -> str:
    """Return a duration for people: 2 h 03 min, 4 min 05 s, 12 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _machine(run: RunFiles) -> Iterator[tuple[str, str]]:
    config, info = run.config, run.info
    yield "device, precision, threads", f"{config.device}, {config.precision}, {_format_value(config.threads)}"
    for name in ("machine", "python", "git_revision"):
        if info.get(name):
            yield name.replace("_", " "), _format_value(info[name])
    packages = info.get("packages")
    if isinstance(packages, dict):
        yield "packages", ", ".join(f"{name} {_format_value(version)}" for name, version in packages.items())
    command = info.get("command")
    if isinstance(command, list):
        yield "command", shlex.join(["python", *map(str, command)])


def config_section(run: RunFiles) -> Section:
    """Return the section with every key of the resolved config, its meaning and its default."""
    rows = [_key_row(*entry) for entry in _keys(run.config)]
    caption = "The resolved config. Bold: values that are not the default"
    return Section("config", "Config", table(caption, ["key", "value", "default"], rows, "config"))


def _keys(config: Config | Maps, prefix: str = "") -> Iterator[tuple[str, Any, FieldInfo]]:
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, Maps):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value, field


def _key_row(key: str, value: Any, field: FieldInfo) -> list[Html]:
    name = Html(f"{element('code', text(key))}<br>{element('small', text(field.description))}")
    shown = text(_format_value(value))
    if field.is_required():
        return [name, shown, text("required")]
    return [name, shown if value == field.default else element("strong", shown), text(_format_value(field.default))]


def _format_value(value: Any) -> str:
    """Return a value for people: texts without quotes, whole numbers without a point, everything else as JSON."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_plain_value)


def _plain_value(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else str(value)

"""Types of the config's keys: what each may be, and how what users write is read as it.

Another way to write a value is another line here; the keys themselves are in config.keys.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from config.library import LIBRARY_LOSSES, LIBRARY_MINERS, checked_loss, checked_miner

LOSS_NAMES = Literal["tripletloss", "quadrupletloss", "magnetloss"]
MODEL_NAMES = Literal["knn", "svc", "rfc", "mlp", "dt"]
MINING_NAMES = Literal["HARD_NEGATIVE", "HARD_POSITIVE", "RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"]
LIBRARY_LOSS_NAMES = Literal[*LIBRARY_LOSSES]
LIBRARY_MINER_NAMES = Literal[*LIBRARY_MINERS]


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a boolean is no number")
    return value


def _one_or_many(value: Any) -> Any:
    if isinstance(value, str):
        return [value] if value.strip("[] ") else []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        return value
    return [each for place, each in enumerate(value) if each not in value[:place]]


Whole = Annotated[int, BeforeValidator(_no_bool)]
Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
Models = Annotated[tuple[MODEL_NAMES, ...], BeforeValidator(_one_or_many)]
One = Field(min_length=1, max_length=1)
LibraryMiner = Annotated[dict[LIBRARY_MINER_NAMES, dict[str, Any]], One]  # name -> parameters
OneOfMining = Annotated[MINING_NAMES | LIBRARY_MINER_NAMES | LibraryMiner, AfterValidator(checked_miner)]
Mining = Annotated[tuple[OneOfMining, ...], BeforeValidator(_one_or_many)]
LibraryLoss = Annotated[dict[LIBRARY_LOSS_NAMES, dict[str, Any]], One]
Loss = Annotated[LOSS_NAMES | LIBRARY_LOSS_NAMES | LibraryLoss, AfterValidator(checked_loss)]
LowerCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


def _spelt_flag(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


FlagOrPath = Annotated[StrictBool | Annotated[str, Field(min_length=1, strict=True)], BeforeValidator(_spelt_flag)]
FlagOrNumber = Annotated[StrictBool | Annotated[int, Field(ge=1, strict=True)], BeforeValidator(_spelt_flag)]


def key(help_line: str, default: Any = ..., **bounds):
    """A key with its line of help, its default (none: it must be given), and bounds as pydantic.Field has them."""
    return Field(default, description=help_line, **bounds)


class Maps(BaseModel):
    """Maps of one's own: what `"maps": {...}` may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = key("path of the image GeoTIFF", min_length=1)
    labels: dict[str, str] = key("name of each label map and its path", min_length=1)
    rect: tuple[Number, Number, Number, Number] | None = key(
        "west, south, east, north in EPSG:4326: the part that is used; null: the whole image", None
    )
    bands: tuple[Annotated[Whole, Field(ge=1)], ...] | None = key("bands in use, counted from 1; null: all", None)
    nodata: Number | None = key("pixel value that stands for no data, where the file does not declare it", None)
    legends: dict[str, str] = key(
        "label map's name -> its legend: osm, clc, or a JSON file of classes (name, color, code)", {}
    )

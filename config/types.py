"""Types of the config's keys: which values are valid, and how different spellings of a value are read.

To accept another spelling, add a line here; the keys themselves are in config.keys.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from config.library import LIBRARY_LOSSES, LIBRARY_MINERS, validate_loss, validate_miner

LOSS_NAMES = Literal["tripletloss", "quadrupletloss", "magnetloss"]
MODEL_NAMES = Literal["knn", "svc", "rfc", "mlp", "dt"]
MINING_NAMES = Literal["HARD_NEGATIVE", "HARD_POSITIVE", "RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"]
if TYPE_CHECKING:  # a type checker does not know the names of a table
    LIBRARY_LOSS_NAMES = str
    LIBRARY_MINER_NAMES = str
else:
    LIBRARY_LOSS_NAMES = Literal[*LIBRARY_LOSSES]
    LIBRARY_MINER_NAMES = Literal[*LIBRARY_MINERS]


def _reject_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")
    return value


def _to_list(value: Any) -> Any:
    if isinstance(value, str):
        return [value] if value.strip("[] ") else []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        return value
    return [each for place, each in enumerate(value) if each not in value[:place]]


Integer = Annotated[int, BeforeValidator(_reject_bool)]
Number = Annotated[float, BeforeValidator(_reject_bool), Field(allow_inf_nan=False)]
Models = Annotated[tuple[MODEL_NAMES, ...], BeforeValidator(_to_list)]
EXACTLY_ONE = Field(min_length=1, max_length=1)
LibraryMiner = Annotated[dict[LIBRARY_MINER_NAMES, dict[str, Any]], EXACTLY_ONE]  # name -> parameters
MiningEntry = Annotated[MINING_NAMES | LIBRARY_MINER_NAMES | LibraryMiner, AfterValidator(validate_miner)]
Mining = Annotated[tuple[MiningEntry, ...], BeforeValidator(_to_list)]
LibraryLoss = Annotated[dict[LIBRARY_LOSS_NAMES, dict[str, Any]], EXACTLY_ONE]
Loss = Annotated[LOSS_NAMES | LIBRARY_LOSS_NAMES | LibraryLoss, AfterValidator(validate_loss)]
LowerCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


def _parse_bool(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


BoolOrPath = Annotated[StrictBool | Annotated[str, Field(min_length=1, strict=True)], BeforeValidator(_parse_bool)]
BoolOrInteger = Annotated[StrictBool | Annotated[int, Field(ge=1, strict=True)], BeforeValidator(_parse_bool)]


def key(help_line: str, default: Any = ..., **bounds: Any) -> Any:  # Any, as pydantic.Field: it stands for a value
    """Return a field with its line of help, its default (`...`: required), and bounds as in pydantic.Field."""
    return Field(default, description=help_line, **bounds)


class Maps(BaseModel):
    """The user's own maps: the value of `"maps": {...}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = key("path of the image GeoTIFF", min_length=1)
    labels: dict[str, str] = key("label map's name -> its path", min_length=1)
    rect: tuple[Number, Number, Number, Number] | None = key(
        "west, south, east, north in EPSG:4326: the rectangle that is used; null: the whole image", None
    )
    bands: tuple[Annotated[Integer, Field(ge=1)], ...] | None = key("bands to use, counted from 1; null: all", None)
    nodata: Number | None = key("nodata value of the image, if the file does not declare it", None)
    legends: dict[str, str] = key(
        "label map's name -> its legend: osm, clc, or a JSON file of classes (name, color, code)", {}
    )

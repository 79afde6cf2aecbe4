"""Types of the config's keys: which values are valid, and how different spellings of a value are read.

To accept another spelling, add a line here; the keys themselves are in config.keys.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_serializer,
)  # fmt: skip

from config.library import LIBRARY_LOSSES, LIBRARY_MINERS, OWN_LOSSES, validate_loss, validate_miner

LOSS_NAMES = Literal["tripletloss", "quadrupletloss", "magnetloss"]  # the project's own, beside those with parameters
BUILT_IN_FEATURES = ("trained", "untrained", "band_statistics", "random_convolutions", "chance", "coarsened_labels")
MODEL_NAMES = Literal["knn", "linear", "svc", "rfc", "mlp", "dt"]
HEAD_INPUT_NAMES = Literal["band_statistics", "random_convolutions"]
MINING_NAMES = Literal["HARD_NEGATIVE", "HARD_POSITIVE", "RANDOM_HARD_NEGATIVE", "RANDOM_HARD_POSITIVE"]
if TYPE_CHECKING:  # a type checker does not know the names of a table
    PARAMETER_LOSS_NAMES = str
    LIBRARY_MINER_NAMES = str
else:
    PARAMETER_LOSS_NAMES = Literal[*OWN_LOSSES, *LIBRARY_LOSSES]
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
    return [each for index, each in enumerate(value) if each not in value[:index]]


Integer = Annotated[int, BeforeValidator(_reject_bool)]
Widths = tuple[Annotated[Integer, Field(ge=1, le=100_000)], ...]  # of layers
Text = Annotated[str, StringConstraints(min_length=1)]
Number = Annotated[float, BeforeValidator(_reject_bool), Field(allow_inf_nan=False)]
HeadInputs = Annotated[tuple[HEAD_INPUT_NAMES, ...], BeforeValidator(_to_list)]
Models = Annotated[tuple[MODEL_NAMES, ...], BeforeValidator(_to_list)]
EXACTLY_ONE = Field(min_length=1, max_length=1)
LibraryMiner = Annotated[dict[LIBRARY_MINER_NAMES, dict[str, Any]], EXACTLY_ONE]  # name -> parameters
MiningEntry = Annotated[MINING_NAMES | LIBRARY_MINER_NAMES | LibraryMiner, AfterValidator(validate_miner)]
Mining = Annotated[tuple[MiningEntry, ...], BeforeValidator(_to_list)]
ParameterLoss = Annotated[dict[PARAMETER_LOSS_NAMES, dict[str, Any]], EXACTLY_ONE]
Loss = Annotated[LOSS_NAMES | PARAMETER_LOSS_NAMES | ParameterLoss, AfterValidator(validate_loss)]
LowerCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


def _parse_bool(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


BoolOrPath = Annotated[StrictBool | Annotated[str, Field(min_length=1, strict=True)], BeforeValidator(_parse_bool)]
BoolOrInteger = Annotated[StrictBool | Annotated[int, Field(ge=1, strict=True)], BeforeValidator(_parse_bool)]


def key(help_line: str, default: Any = ..., **bounds: Any) -> Any:  # Any, as pydantic.Field: it stands for a value
    """Return a field with its line of help, its default (`...`: required), and bounds as in pydantic.Field."""
    return Field(default, description=help_line, **bounds)


class LabelFile(BaseModel):
    """One label map: the value of a name in `"maps": {"labels": {...}}`; a path alone stands for the file's only map.

    Attributes:
        path: of a raster file, or of a file of polygons or points
        band: the band of class codes, counted from 1, in a raster file of several
        layer: the layer, in a file of several layers of polygons or points
        column: the column that names the class of each polygon or point
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Text
    band: Annotated[Integer, Field(ge=1)] | None = None
    layer: Text | None = None
    column: Text | None = None

    @model_serializer
    def _shortest(self) -> str | dict[str, str | int]:
        given = {name: value for name, value in dict(self).items() if value is not None}
        return self.path if len(given) == 1 else given


class YardstickFile(BaseModel):
    """A raster whose values a run's embeddings are compared with: the value of a name in `"yardsticks": {...}`.

    Attributes:
        path: of a raster file of any CRS, resolution and extent
        dequantise: what its values mean; alphaearth: sign(q) (q / 127.5)^2, -128 is no data; scale_offset: the scale
            and offset of each band that the file declares; none: themselves
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Text
    dequantise: Literal["alphaearth", "scale_offset", "none"] = "none"


# one image map: a path or pattern, or a list of them; `dataProcessors.rasters.image_files` names the files
ImageFiles = Text | Annotated[tuple[Text, ...], Field(min_length=1)]

FeatureName = Annotated[str, StringConstraints(pattern=r"^[\w][\w.+-]*$")]  # it names folders and files

# it names files too, and has no dot, which would separate nested keys on the command line
DateName = Annotated[str, StringConstraints(pattern=r"^\w[\w+-]*$")]
DatedImages = Annotated[dict[DateName, ImageFiles], Field(min_length=1, max_length=100)]
NAMED_DATES = {"demo_seasons": ("summer", "autumn")}  # "maps" of the config -> the dates of maps that have several

LabelMap = Annotated[LabelFile, BeforeValidator(lambda value: {"path": value} if isinstance(value, str) else value)]


class Maps(BaseModel):
    """The user's own maps: the value of `"maps": {...}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: ImageFiles | DatedImages = key(
        "path or URL of the image GeoTIFF; of a map in many files a list of paths, or a pattern such as "
        '"data/tiles/*.tif"; '
        "or of several of one place on one grid: name of the date -> any of these"
    )
    validation_date: DateName | None = key(
        "the date of 'maps.image' on which everything is scored; null: the last one", None
    )
    crs: Text | None = key(
        'CRS onto which the files of the image are warped, such as "EPSG:3035"; null: they are on one grid already',
        None,
    )
    labels: dict[Text, LabelMap] = key(
        "label map's name -> its path, or {path, band} for one band of codes among several, or {path, layer, column} "
        "for polygons and points; may be missing where validation_map is null",
        {},
    )
    rect: tuple[Number, Number, Number, Number] | None = key(
        "west, south, east, north in EPSG:4326: the rectangle that is used; null: the whole image", None
    )
    bands: tuple[Annotated[Integer, Field(ge=1)] | Text, ...] | None = key(
        "bands to use, counted from 1 or by the names that the file gives them; null: all", None
    )
    nodata: Number | None = key("nodata value of the image, in addition to what the file declares", None)
    legends: dict[Text, Text] = key(
        "label map's name -> its legend: osm, clc, worldcover ..., or a JSON file of classes (name, color, code)", {}
    )

    @property
    def images(self) -> dict[str, ImageFiles]:
        """Name of the date -> the image. The date of a single image without one is ""."""
        return self.image if isinstance(self.image, dict) else {"": self.image}

    @property
    def scored_date(self) -> str:
        """Name of the date on which everything is scored."""
        return list(self.images)[-1] if self.validation_date is None else self.validation_date

    def of_date(self, date: str) -> "Maps":
        """Return the maps with the image of one date alone."""
        return self.model_copy(update={"image": self.images[date], "validation_date": None})

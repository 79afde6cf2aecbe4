"""Random class names in label maps: category names and attribute tables as GDAL and other programs write them."""

import numpy as np
from label_rules_for_tests import Labels
from vrt_for_tests import attribute_table_xml as table

WORDS = ("Water", "Trees", "Grass", "Crops", "Built", "Ice", "Wüste & Fels", "No data", "Background")
ENTITIES = str.maketrans({"&": "&amp;"})
INTEGER, TEXT = 0, 2  # GDAL's types of a table's columns


def random_names(rng: np.random.Generator, labels: Labels) -> str:
    """Give names to most codes of a band: category names, or an attribute table of one of the usual kinds."""
    labels.named = labels.band or 1
    if rng.random() < 0.1:
        labels.named = int(rng.integers(1, len(labels.stored) + 1))
    band = labels.stored[labels.named - 1]
    codes = np.unique(band[np.isfinite(band)])[:300].astype(np.int64)
    codes = codes[rng.random(len(codes)) < rng.choice([1, 1, 0.7])]
    kinds = [_categories, _single_values, _ranges, _bins, _titled, _names_alone]
    return kinds[rng.integers(len(kinds))](rng, labels, rng.permutation(codes).tolist())


def _word(rng: np.random.Generator) -> str:
    return str(rng.choice(WORDS)) + (f" {rng.integers(100)}" if rng.random() < 0.6 else "")


def _categories(rng: np.random.Generator, labels: Labels, codes: list[int]) -> str:
    """Names whose places are their codes; a few, or more than a legend may have."""
    fits = [code for code in codes if 0 <= code < 400]
    everything = rng.random() < 0.2
    texts = [_word(rng) if code in fits or everything else "" for code in range(max(fits, default=0) + 1)]
    texts += [_word(rng) for _ in range(300 - len(texts))] if everything else []
    labels.rows = [(code, code, text) for code, text in enumerate(texts) if text]
    inside = "".join(f"<Category>{text.translate(ENTITIES)}</Category>" for text in texts)
    return f"<CategoryNames>{inside}</CategoryNames>"


def _single_values(rng: np.random.Generator, labels: Labels, codes: list[int]) -> str:
    labels.rows = [(code, code, _word(rng)) for code in codes]
    columns = [("anything", INTEGER, 5), ("words", TEXT, 2)]
    return table(columns, [(low, name) for low, _, name in labels.rows])


def _ranges(rng: np.random.Generator, labels: Labels, codes: list[int]) -> str:
    """Ranges around codes, which may overlap: the first row counts."""
    spans = [(code - int(rng.integers(0, 3)), code + int(rng.integers(0, 3))) for code in codes]
    labels.rows = [(low, high, _word(rng)) for low, high in spans]
    return table([("to", INTEGER, 4), ("words", TEXT, 2), ("from", INTEGER, 3)],
                  [(high, name, low) for low, high, name in labels.rows])  # fmt: skip


def _bins(rng: np.random.Generator, labels: Labels, codes: list[int]) -> str:
    start, size = int(min(codes, default=0)), int(rng.integers(1, 4))
    shift = float(rng.choice([0, 0.5]))  # to the first whole number of a bin
    number = int(rng.integers(1, 8))
    labels.rows = [(start + i * size, start + (i + 1) * size - 1, _word(rng)) for i in range(number)]
    return table([("words", TEXT, 2)], [(name,) for *_, name in labels.rows],
                  f'Row0Min="{start - shift}" BinSize="{size}"')  # fmt: skip


def _titled(rng: np.random.Generator, labels: Labels, codes: list[int]) -> str:
    """Columns that only their titles explain."""
    labels.rows = [(code, code, _word(rng)) for code in codes]
    columns = [("OID", INTEGER, 0), ("VALUE", INTEGER, 0), ("Count", INTEGER, 0), ("Class_Name", TEXT, 0)]
    return table(columns, [(i, low, 7, name) for i, (low, _, name) in enumerate(labels.rows)])


def _names_alone(rng: np.random.Generator, labels: Labels, codes: list[int]) -> str:
    """A table that does not say which codes its rows are."""
    return table([("Count", INTEGER, 1), ("Class_Name", TEXT, 2)], [(5, _word(rng)) for _ in codes])

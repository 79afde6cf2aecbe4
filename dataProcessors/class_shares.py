"""What was decided about the classes of a label map, and how much of the map each of them covers."""

import logging
from typing import Any

import numpy as np

from dataProcessors.legends.decoders import Decoder
from dataProcessors.prepared.blocks import Summary

log = logging.getLogger(__name__)
SHOWN_ABSENT = 6  # classes without a pixel that are named
MOSTLY_LABELLED = 0.9  # share of the part in use; less is a warning


class ClassShares:
    """The classes of a label map with their shares of the labelled pixels in the part in use.

    Args:
        decoder: how the map is read, and why
        summary: counts of the classes, of whole blocks around the part in use
    """

    def __init__(self, decoder: Decoder, summary: Summary):
        self.decoder, self.exact = decoder, summary.exact
        counts = summary.counts.sum((1, 2), dtype=np.int64)  # (K,)
        self.labelled = float(counts.sum()) / (summary.window.width * summary.window.height)
        self.shares = counts / max(int(counts.sum()), 1)  # (K,)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as it stands in run.json; codes are null where the map holds colours."""
        legend = self.decoder.legend
        codes = legend.codes or [None] * len(legend)
        rows = zip(legend.names, codes, legend.colors, self.shares.tolist())
        return {
            "reason": self.decoder.reason,
            "read_as": self.decoder.description,
            "explained": round(self.decoder.explained, 6),
            "labelled": round(self.labelled, 6),
            "exact": self.exact,
            "enlarged_points": self.decoder.has_points and not self.exact,
            "note": self.decoder.about_classes,
            "classes": [
                {"name": name, "code": code, "color": list(colour), "share": round(share, 6)}
                for name, code, colour, share in rows
            ],
        }

    def log(self, path: str) -> None:
        """Log the decision and the table of classes, and warn of few labels and of a single class."""
        decoder = self.decoder
        log.info(
            "%s: %s. Read as %s; %.1f%% of the %s have a class. Shares of the labelled pixels%s:\n%s",
            path, decoder.reason, decoder.description, 100 * decoder.explained, decoder.counted,
            "" if self.exact else f", estimated from every 16th line and column{self._large_points}", self._table(),
        )  # fmt: skip
        about = "" if self.exact else "at most " if decoder.has_points else "about "
        log_line = log.warning if self.labelled < MOSTLY_LABELLED else log.info
        log_line(
            f"{path}: {about}{self.labelled:.1%} of the part in use is labelled; tiles without labels are not scored"
        )
        self._warn_of_one_class(path)

    @property
    def _large_points(self) -> str:
        return ", where a point counts as 16 x 16 pixels" if self.decoder.has_points else ""

    def _table(self) -> str:
        """Return a line for each class that occurs, and one for all others."""
        legend, occurring = self.decoder.legend, np.flatnonzero(self.shares)
        codes = [str(code) for code in legend.codes or [""] * len(legend)]
        code_width, name_width = (max((len(texts[i]) for i in occurring), default=0) for texts in (codes, legend.names))
        lines = [
            f"  {codes[i]:>{code_width}}  {legend.names[i]:<{name_width}}  {self.shares[i]:7.2%}" for i in occurring
        ]
        absent = [name for name, share in zip(legend.names, self.shares) if not share]
        if absent:
            shown = ", ".join(absent[:SHOWN_ABSENT]) + (", ..." if len(absent) > SHOWN_ABSENT else "")
            lines.append(f"  {len(absent)} of {len(legend)} classes do not occur: {shown}")
        return "\n".join(lines)

    def _warn_of_one_class(self, path: str) -> None:
        decoder, occurring = self.decoder, np.flatnonzero(self.shares)
        if len(occurring) != 1:
            return
        name = decoder.legend.names[occurring[0]]
        others = len(decoder.legend) - 1
        reason = f"none of the other {others} classes occurs in the part in use" if others else decoder.reason
        log.warning(
            "%s: all labelled pixels are of one class, %s (%s%s). Scores that compare classes mean nothing then and "
            "are shown as -", path, name, reason, f"; {decoder.about_classes}" if decoder.about_classes else "",
        )  # fmt: skip

"""Faults in what embeddings are scored by, and in what is shown of the scores."""

from fault import Fault

EVALUATION = (
    Fault(
        "ties-in-any-order", "evaluation", ("exact_nearest",),
        ((', kind="stable")', ")"),),
        "ties", "Neighbours at the same distance come in an order that the sorting happens to give.",
        ("test_retrieval.py", "test_neighbours.py"),
    ),
    Fault(
        "quick-search-is-always-certain", "evaluation", ("quick_nearest",),
        ((" * 2 * (squares", " * 0 * (squares"), (" * 2 * (", " * 0 * (")),
        "tolerance", "Neighbours whose order rounding decides are taken for certain.",
        ("test_retrieval.py", "test_neighbours.py"),
    ),
    Fault(
        "rounding-of-far-tiles-is-not-counted", "evaluation", ("quick_nearest",),
        (("(squares[rows] + squares.max())", "squares[rows]"),),
        "tolerance", "Around short embeddings the order of far neighbours is taken for certain.",
        ("test_retrieval.py", "test_neighbours.py"),
    ),
    Fault(
        "predictions-over-one-are-not-clipped", "evaluation", ("normalised",),
        ((", 0, 1)", ", 0, None)"),),
        "clipped range", "Predicted shares over 1 keep their weight as rows are scaled to 1.",
        ("test_scoring.py", "test_proportions.py", "test_retrieval.py", "test_silhouette.py"),
    ),
    Fault(
        "threshold-without-its-own-share", "evaluation", ("dominant", "reaches"),
        ((" - 1e-6", ""),),
        "tolerance", "A share of exactly the threshold does not count where float32 has it a little smaller.",
        ("test_scoring.py",),
    ),
    Fault(
        "all-draws-are-the-same", "evaluation", ("draws",),
        (("[seed, i]", "[seed]"),),
        "seed", "Every draw of an evaluation takes the same tiles, and no score has a spread.",
        ("test_scoring.py",),
    ),
    Fault(
        "equal-means-told-apart-by-rounding", "evaluation", ("Blend.winners",),
        (("self.sums.round(TIE_DECIMALS).argmax", "self.sums.argmax"),),
        "ties", "Where classes have equal means, the order in which windows are added decides.",
        ("test_blending.py", "test_segmentation.py"),
    ),
)  # fmt: skip

REPORTING = (
    Fault(
        "scores-are-not-synced", "reporting", ("MetricsFile._append", "StepsFile._append"),
        (("os.fsync(file.fileno())", "pass"),),
        "unsynced file", "Scores may be lost with the power although the checkpoint counts them as shown.",
        ("test_reporting.py", "test_metrics_csv.py", "test_score_tables.py", "test_full_disk.py"),
    ),
    Fault(
        "last-scores-are-dropped-when-resumed", "reporting", ("MetricsFile.drop_after", "StepsFile.keep_until"),
        (("<= step", "< step"),),
        "off by one", "A resumed run drops the scores of its last evaluated step from metrics.csv.",
        (
            "test_reporting.py", "test_metrics_csv.py", "test_score_tables.py", "test_resuming.py",
            "test_resuming_evaluations.py",
        ),
    ),
    Fault(
        "scores-beyond-the-checkpoint-stay", "reporting", ("Board.keep_until", "TensorBoardWriter.drop_after"),
        (('tag.partition("/")[0], scored_step', 'tag.partition("/")[0], step'),),
        "stale state on resume", "Curves keep an evaluation that the resumed run makes, and shows, again.",
        (
            "test_reporting.py", "test_tensorboard.py", "test_reporter.py", "test_resuming.py",
            "test_resuming_evaluations.py",
        ),
    ),
    Fault(
        "lead-of-an-error-has-the-wrong-sign", "reporting", ("leads",),
        (("min(others) - score.mean", "score.mean - min(others)"),),
        "sign", "The lead over the yardsticks is turned round where less is better.",
        ("test_reporting.py", "test_tensorboard.py"),
    ),
    Fault(
        "page-takes-names-for-html", "reporting", ("text",),
        (("html.escape(str(value))", "str(value)"),),
        "security", "Names in a config or on a map become HTML of the report.",
        ("test_report.py", "test_page.py", "test_report_unfinished.py"),
    ),
    Fault(
        "half-written-evaluation-is-compared", "reporting", ("read_run",),
        ((" if count[step] == most", ""),),
        "half-written data", "Runs are compared by an evaluation that is still being written.",
        ("test_comparison.py", "test_runs.py", "test_compared_runs.py"),
    ),
    Fault(
        "confusion-divided-along-the-wrong-axis", "reporting", ("confusion_matrix",),
        (("sum(axis=1, keepdims=True)", "sum(axis=0, keepdims=True)"),),
        "wrong axis", "The confusion matrix shows shares of the predicted instead of the true class.",
        ("test_figures.py", "test_confusion.py", "test_class_figures.py"),
    ),
)  # fmt: skip

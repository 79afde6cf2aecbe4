"""Names of the scores of a run: task -> metrics of each of its models, and metrics of the embeddings themselves."""

MODEL_METRICS = {"single_class": ("accuracy", "balanced_accuracy", "weighted_F1"), "multi_class": ("sum_error",)}
RETRIEVAL_METRICS = ("MAP@R", "MAP@1", "MAP@5", "MAP@10", "graded_MAP@R")
EMBEDDING_METRICS = {"retrieval": RETRIEVAL_METRICS, "single_class": ("silhouette",), "multi_class": ("gSil",)}
LESS_IS_BETTER = ("sum_error",)
USED_DIMENSIONS = "embedding/used_dimensions"  # needs no labels, and is no score: more is not better
SEGMENTATION_METRICS = ("pixel_accuracy", "mean_IoU")  # of each single-class model, if `segmentation` is true

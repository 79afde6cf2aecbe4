"""Faults in training steps, in when and how a network is scored, and in the training loop."""

from fault import Fault

STEP_TESTS = ("test_training.py", "test_tuple_step.py", "test_cluster_step.py", "test_history.py")
SCORING_TESTS = ("test_training.py", "test_schedule.py", "test_snapshot_scorer.py", "test_evaluator.py")

STEPS = (
    Fault(
        "first-tile-is-never-mined", "training/steps", ("TupleStep._mine_online",),
        (("found[role] >= 0", "found[role] > 0"), (">= 0,", "> 0,")),
        "off by one", "The hardest tile is not taken where it is the first of the batch.",
        STEP_TESTS,
    ),
    Fault(
        "masks-of-tiles-that-were-replaced", "training/steps", ("TupleStep._mine_offline",),
        (("self.batches.masks(batch.positions)", "batch.positive, batch.negative"),),
        "stale state", "After offline mining online mining goes by what the replaced tiles were admissible for.",
        STEP_TESTS,
    ),
    Fault(
        "losses-of-other-clusters", "training/steps", ("ClassClusterStep.finish",),
        (("batch.cluster_ids[batch.clusters]", "batch.clusters"),),
        "wrong index", "Losses are noted for the first clusters of the index instead of those of the batch.",
        STEP_TESTS,
    ),
    Fault(
        "late-places-are-sampled-more-often", "training/steps", ("Sampled.add", "SampledPositions.add"),
        (("2 * stride", "stride"),),
        "uneven sample", "Of the places trained on, later ones are kept more often than early ones.",
        STEP_TESTS,
    ),
    Fault(
        "tile-among-its-own-cluster", "training/steps", ("_masks",),
        ((" & ~np.eye(len(clusters), dtype=bool)", ""),),
        "self not excluded", "The mean distance to the others of a cluster counts the tile itself.",
        STEP_TESTS,
    ),
)  # fmt: skip

SCORING = (
    Fault(
        "later-of-two-equals-is-the-best", "training/scoring", ("Scorer._report", "SnapshotScorer._report"),
        (("value > self._best", "value >= self._best"), ("value > ", "value >= ")),
        "ties", "A network that is as good as the best replaces it.",
        SCORING_TESTS,
    ),
    Fault(
        "best-score-is-forgotten-when-resumed", "training/scoring",
        ("Scorer.load_state_dict", "SnapshotScorer.load_state_dict"),
        (('state["best"], state["best_step"]', '-math.inf, state["best_step"]'), ('state["best"]', '-float("inf")')),
        "stale state on resume", "The first network evaluated after resuming becomes the best, however bad it is.",
        (*SCORING_TESTS, "test_resuming.py", "test_resuming_evaluations.py"),
    ),
    Fault(
        "draws-of-scored-tiles-without-the-seed", "training/scoring", ("Evaluator.__init__",),
        (("config.valIteration, config.seed", "config.valIteration, 0"),),
        "seed not used", "Runs of every seed are scored on the same draws.",
        (*SCORING_TESTS, "test_scoring.py"),
    ),
    Fault(
        "windows-without-data-are-predicted", "training/scoring", ("Segmenter._windows",),
        (("[self.maps.area.has_data(positions)]", ""),),
        "wrong mask", "The segmentation predicts windows where the image has no data.",
        ("test_segmenter.py", "test_segmentation.py"),
    ),
)  # fmt: skip

LOOP = (
    Fault(
        "untrained-yardstick-is-fitted", "training", ("EvaluationSchedule.run",),
        (("step > 0", "step >= 0"),),
        "off by one", "The untrained network has Fourier features, and what a training adds looks smaller.",
        ("test_fourier_fit.py",),
    ),
    Fault(
        "pairs-of-a-tile-with-itself", "training", ("ForwardPass.fit_fourier_features",),
        (("pairs = torch.from_numpy(features).chunk(2)", "pairs = [torch.from_numpy(features).chunk(2)[0]] * 2"),),
        "swapped roles", "All of the variance counts as what near tiles have in common.",
        ("test_fourier_fit.py",),
    ),
    Fault(
        "mining-sees-fourier-features", "training", ("ForwardPass.embed_functions",),
        (("training=False, with_fourier=False", "training=False"),),
        "wrong part", "Hard mining sees Fourier features of the last evaluation, so that evaluations move a training.",
        ("test_fourier_fit.py",),
    ),
    Fault(
        "clusters-see-fourier-features", "training", ("Trainer._begin_epoch",),
        (
            ("partial(self._embed_together, with_fourier=False)", "self._embed_together"),
            ("partial(self.passes.embed_together, with_fourier=False)", "self.passes.embed_together"),
        ),
        "wrong part", "Clusters of the magnet loss see Fourier features of the last evaluation.",
        ("test_fourier_fit.py",),
    ),
    Fault(
        "mining-with-gradient", "training", ("Passes.of_step", "ForwardPass.embed_functions"),
        (("torch.no_grad()(", "("),),
        "missing no_grad", "Candidates of offline mining keep all that a backward pass would need.",
        ("test_training.py", "test_forward.py", "test_tuple_step.py"),
    ),
    Fault(
        "few-tiles-in-training-mode", "training", ("Passes.of_step", "ForwardPass.embed_functions"),
        (("evaluation_mode(random_dihedral(", "partial(self.embed, training=True)(random_dihedral("),),
        "missing evaluation mode", "Second negatives drawn anew are normalised by batch statistics of a few tiles.",
        ("test_training.py", "test_forward.py", "test_tuple_step.py"),
    ),
    Fault(
        "walk-begins-anew-when-resumed", "training", ("TrainingState.load_state_dict",),
        (("self.last_anchor = self._step.batches.last_anchor =", "self.last_anchor ="),),
        "stale state on resume", "A resumed run draws its next anchor anywhere instead of near the last one.",
        ("test_resuming.py", "test_training_state.py"),
    ),
    Fault(
        "what-is-shown-is-behind-the-checkpoint", "training", ("Trainer._keep", "Saver.save"),
        (("self.reporter.flush()", "pass"), ("self.flush()", "pass")),
        "unflushed file", "A killed run may lose curves of steps that its checkpoint counts as done.",
        ("test_saving.py", "test_resuming.py", "test_resuming_evaluations.py", "test_trainer.py", "test_kill.py"),
    ),
    Fault(
        "half-a-step-is-kept", "training", ("Trainer._train_step",),
        (("self._updating = True", "self._updating = False"), ("is_updating = True", "is_updating = False")),
        "wrong flag", "A checkpoint may hold weights between two steps, where memory gives out in the update.",
        ("test_memory.py", "test_trainer.py"),
    ),
    Fault(
        "trained-network-in-training-mode", "training", ("network_of", "trained_network"),
        (("network.eval()", "network"),),
        "missing evaluation mode", "The network of a checkpoint normalises tiles by those beside them.",
        ("test_trained.py",),
    ),
)  # fmt: skip

"""Faults in networks, losses and mining."""

from fault import Fault

NETWORKS = (
    Fault(
        "frozen-parts-in-training-mode", "networks", ("Embedder.train",),
        (("module.eval()", "module.train(mode)"), (".eval()", ".train(mode)")),
        "missing evaluation mode", "The batch-norm statistics of frozen parts move.",
        ("test_networks.py", "test_embedder.py", "test_freezing.py", "test_pretrained.py", "test_zoo.py"),
    ),
    Fault(
        "momentum-is-not-put-back", "networks", ("estimate_batchnorm_statistics",),
        (("norm.momentum = momentum", "pass"),),
        "state not restored", "After the estimate batch norm goes on with the average of all batches.",
        ("test_networks.py", "test_batchnorm.py"),
    ),
    Fault(
        "one-band-of-the-fill-value-is-no-data", "networks", ("Normalise.forward", "Normalise._marked"),
        ((".any(1", ".all(1"), ("equal.all(1, keepdim=True) if", "equal.any(1, keepdim=True) if")),
        "wrong mask", "A pixel of which one band happens to hold the nodata value becomes 0 in all bands.",
        ("test_networks.py", "test_normalise.py"),
    ),
    Fault(
        "seven-of-eight-turns", "networks", ("random_dihedral", "draw_ways"),
        (("rng.integers(DIHEDRAL_SIZE", "rng.integers(DIHEDRAL_SIZE - 1"),),
        "off by one", "One of the eight ways to turn and mirror a tile never comes.",
        ("test_networks.py", "test_augment.py"),
    ),
    Fault(
        "pickles-are-run", "networks", ("_read_torch",),
        (("weights_only=True", "weights_only=False"),),
        "security", "Code in a file of weights is run as it is read.",
        ("test_pretrained.py", "test_weight_files.py"),
    ),
    Fault(
        "axes-of-least-in-common", "networks", ("common_axes",),
        (("shares.flip(0)[:number]", "shares[:number]"),),
        "wrong order", "An axis is weighed by what near tiles have in common along another one.",
        ("test_common_axes.py",),
    ),
    Fault(
        "axes-of-tiles-without-their-partners", "assembly", ("fit_axes",),
        (("maps.near_tiles(inputs.num_pairs)", "maps.near_tiles(2 * inputs.num_pairs)[:1]"),),
        "wrong pairs", "Head inputs are weighed by what tiles have in common that lie anywhere.",
        ("test_assembly.py",),
    ),
    Fault(
        "axes-count-noise-as-they-are-scaled", "networks", ("HeadInputs.fit_axes",),
        ((".sqrt()  # together", "  # together"),),
        "wrong power", "The axes drown the features that they follow.",
        ("test_head_inputs.py",),
    ),
    Fault(
        "axes-that-turn-with-rounding", "networks", ("FourierFeatures.fit",),
        (("symmetric(axes) @ gaussian(len(axes),", "axes @ gaussian(axes.shape[1],"),),
        "not reproducible", "Where axes have equal shares, a rounding error changes all Fourier features.",
        ("test_fourier_features.py",),
    ),
    Fault(
        "projection-head-sees-fourier-features", "networks", ("Embedder._for_loss", "Embedder.forward"),
        (("self.learned(tiles, valid)[0]", "self._of_view(tiles, valid, with_fourier=True)"),
         ("with_fourier and not self.training", "with_fourier")),
        "missing mode", "The loss sees Fourier features, which are zeros or of older weights.",
        ("test_fourier_features.py",),
    ),
    Fault(
        "projection-head-of-scaled-embeddings", "networks", ("Embedder._for_loss",),
        (("self.projection(head_part)", "self.projection(self._scaled(head_part))"),),
        "wrong order", "A loss that needs embeddings of free length gets what was scaled to length 1.",
        ("test_head_inputs.py",),
    ),
)  # fmt: skip

LOSSES = (
    Fault(
        "variance-over-n", "losses", ("MagNetLoss.terms",),
        (("len(own) - 1", "len(own)"),),
        "off by one", "The variance of the magnet loss is over n instead of n - 1.",
        ("test_losses.py", "test_magnet.py"),
    ),
    Fault(
        "second-negative-against-the-anchor", "losses", ("QuadrupletLoss.terms",),
        (("distances(negative2, negative)", "distances(negative2, anchor)"),),
        "swapped roles", "The second negative is kept away from the anchor instead of the first negative.",
        ("test_losses.py", "test_quadruplet.py", "test_tuple_losses.py"),
    ),
    Fault(
        "root-of-a-sum-of-squares", "losses", ("euclidean_distances",),
        (("torch.linalg.vector_norm(", "(lambda rows, dim: rows.square().sum(dim).sqrt())("),),
        "gradient", "Equal embeddings have a distance whose gradient is NaN.",
        ("test_losses.py", "test_distances.py", "test_triplet.py", "test_tuple_losses.py"),
    ),
    Fault(
        "distances-in-half-precision", "losses", ("full_precision",),
        (("(torch.float32, torch.float64)", "(torch.float32, torch.float64, torch.bfloat16)"),),
        "wrong dtype", "Distances of bf16 embeddings are computed in bf16, where many tie.",
        ("test_losses.py", "test_distances.py", "test_mining.py"),
    ),
)  # fmt: skip

MINING = (
    Fault(
        "anchor-mined-for-itself", "mining", ("_farthest",),
        (("if but_own:", "if False:"), ("if exclude_own:", "if False:")),
        "self not excluded", "Where the masks allow it a tile is mined as its own negative.",
        ("test_mining.py", "test_hard.py"),
    ),
    Fault(
        "second-negative-of-the-first-ones-label", "mining", ("second_negative",),
        ((" & admissible[first]", ""),),
        "missing condition", "The second negative need not be admissible to the first.",
        ("test_mining.py", "test_hard.py"),
    ),
    Fault(
        "clusters-of-one-tile-are-not-last", "mining", ("ClusterIndex._clusters_of_batch",),
        (("np.lexsort((distances, single))", "np.lexsort((single, distances))"),),
        "swapped keys", "Clusters of a single tile come by their distance like all others.",
        ("test_cluster_index.py",),
    ),
    Fault(
        "every-step-mines-with-the-same-draws", "mining", ("LibraryMiner.__call__",),
        (("[self.seed, step, MINING_STREAM]", "[self.seed, MINING_STREAM]"), ("self.seed, step, ", "self.seed, ")),
        "seed", "Miners that draw make the same draws in every step.",
        ("test_library_mining.py", "test_library.py"),
    ),
)  # fmt: skip

"""Losses against slow loops, their gradients, and every degenerate case."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from losses import LOSSES, MagNetLoss, QuadrupletLoss, SoftContrastLoss, TripletLoss, VICRegLoss
from losses.distances import euclidean_distances, pairwise_squared_distances, squared_distances
from losses.readout import readout_errors


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def squared(x, y):
    return sum((float(a) - float(b)) ** 2 for a, b in zip(x, y))


def ratio(near, far):
    return 2 * (math.exp(near) / (math.exp(near) + math.exp(far))) ** 2


def slow_triplet(a, p, n, margin, alt_loss):
    if alt_loss:
        return ratio(math.sqrt(squared(a, p)), math.sqrt(squared(a, n)))
    return max(0.0, squared(a, p) - squared(a, n) + margin)


def slow_quadruplet(a, p, n1, n2, margin, margin2, alt_loss):
    near, far, between = squared(a, p), squared(a, n1), squared(n2, n1)
    if alt_loss:
        return ratio(math.sqrt(near), math.sqrt(far)) + ratio(math.sqrt(near), math.sqrt(between))
    return max(0.0, near - far + margin) + max(0.0, near - between + margin2)


def slow_magnet(embeddings, clusters, classes, margin, around_batch_mean=False):
    """Terms of the magnet loss; `around_batch_mean` measures the variance around the wrong mean."""
    n, dimensions = embeddings.shape
    members = {}
    for i in range(n):
        members.setdefault(int(clusters[i]), []).append(i)
    means = {m: [sum(float(embeddings[i, j]) for i in rows) / len(rows) for j in range(dimensions)]
             for m, rows in members.items()}  # fmt: skip
    batch_mean = [sum(float(embeddings[i, j]) for i in range(n)) / n for j in range(dimensions)]
    spread = sum(squared(embeddings[i], batch_mean if around_batch_mean else means[int(clusters[i])]) for i in range(n))
    variance = max(spread / max(n - 1, 1), 1e-12)
    terms = []
    for i in range(n):
        own = int(clusters[i])
        total = sum(math.exp(-squared(embeddings[i], means[m]) / (2 * variance))
                    for m in means if classes[m] != classes[own])  # fmt: skip
        value = squared(embeddings[i], means[own]) / (2 * variance) + margin + math.log(total) if total else 0.0
        terms.append(max(0.0, value))
    return terms


def gradients(loss, *inputs):
    """The loss's value and its gradients, all checked to be finite."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    value = loss(*leaves)
    value.backward()
    assert value.isfinite()
    assert all(leaf.grad is not None and leaf.grad.isfinite().all() for leaf in leaves)
    return value.detach(), [leaf.grad for leaf in leaves]


def magnet_gradient(loss, embeddings, clusters, classes=None):
    value, (gradient,) = gradients(lambda x: loss(x, clusters, classes), embeddings)
    return value, gradient


@pytest.mark.parametrize("alt_loss", [False, True])
def test_triplet_equals_a_slow_loop(alt_loss):
    a, p, n = normal(3, 20, 5, seed=1) / 2
    expected = [slow_triplet(*rows, 0.5, alt_loss) for rows in zip(a, p, n)]
    loss = TripletLoss(0.5, alt_loss)
    assert loss.terms(a, p, n).tolist() == pytest.approx(expected, abs=1e-10)
    assert loss(a, p, n).item() == pytest.approx(sum(expected) / 20, abs=1e-10)
    assert alt_loss or 0 < sum(value == 0 for value in expected) < 20  # both sides of the hinge were met


@pytest.mark.parametrize("alt_loss", [False, True])
@pytest.mark.parametrize("margin2", [None, 1.5])
def test_quadruplet_equals_a_slow_loop(alt_loss, margin2):
    a, p, n1, n2 = normal(4, 20, 5, seed=2) / 2
    expected = [slow_quadruplet(*rows, 0.5, margin2 or 0.25, alt_loss) for rows in zip(a, p, n1, n2)]
    loss = QuadrupletLoss(0.5, margin2, alt_loss)
    assert loss.terms(a, p, n1, n2).tolist() == pytest.approx(expected, abs=1e-10)
    assert loss(a, p, n1, n2).item() == pytest.approx(sum(expected) / 20, abs=1e-10)


@pytest.mark.parametrize("classes", [None, [0, 1, 0, 2]])
def test_magnet_equals_a_slow_loop(classes):
    clusters = torch.tensor([0, 1, 2, 3] * 4 + [2, 0])
    embeddings = normal(4, 3, seed=4)[clusters] + normal(18, 3, seed=3)
    expected = slow_magnet(embeddings, clusters, classes or range(4), 0.5)
    found = MagNetLoss(0.5).terms(embeddings, clusters, None if classes is None else torch.tensor(classes))
    assert found.tolist() == pytest.approx(expected, abs=1e-10)
    assert 0 < sum(value == 0 for value in expected) < 18


def test_magnet_takes_unequal_clusters_and_ignores_those_without_a_tile():
    embeddings, clusters = normal(7, 4, seed=5), torch.tensor([5, 0, 5, 5, 2, 0, 5])
    expected = slow_magnet(embeddings, clusters, range(6), 1.0)
    assert MagNetLoss(1.0).terms(embeddings, clusters).tolist() == pytest.approx(expected, abs=1e-10)
    classes = torch.tensor([3, 7, 1, 9, 9, 1])  # clusters 1, 3 and 4, classes 7 and 9, have no tile
    expected = slow_magnet(embeddings, clusters, classes.tolist(), 1.0)
    assert MagNetLoss(1.0).terms(embeddings, clusters, classes).tolist() == pytest.approx(expected, abs=1e-10)


def test_magnet_falls_to_zero_as_clusters_separate():
    clusters = torch.arange(4).repeat_interleave(6)
    centres, noise = normal(4, 8, seed=6), normal(24, 8, seed=7)
    values, wrong = [], []
    for spread in (1.0, 0.3, 0.1, 0.01):
        embeddings = centres[clusters] + spread * noise
        values.append(MagNetLoss(0.5)(embeddings, clusters).item())
        wrong.append(sum(slow_magnet(embeddings, clusters, range(4), 0.5, around_batch_mean=True)) / 24)
    assert values[0] > 0.1
    assert values[-1] == 0
    assert min(wrong) > 0.1  # which is why the variance is not taken around the batch's mean


@pytest.mark.parametrize("alt_loss", [False, True])
def test_gradients_of_tuples_equal_numerical_ones(alt_loss):
    tuples = [x.clone().requires_grad_() for x in normal(4, 6, 3, seed=8)]
    assert torch.autograd.gradcheck(TripletLoss(0.5, alt_loss), tuples[:3])
    assert torch.autograd.gradcheck(QuadrupletLoss(0.5, None, alt_loss), tuples)


@pytest.mark.parametrize("classes", [None, torch.tensor([0, 1, 0])])
def test_gradients_of_magnet_equal_numerical_ones(classes):
    embeddings, clusters = normal(9, 3, seed=9).requires_grad_(), torch.tensor([0, 1, 2] * 3)
    loss = MagNetLoss(0.5)
    assert (loss.terms(embeddings, clusters, classes) > 0.01).any()
    assert torch.autograd.gradcheck(lambda x: loss(x, clusters, classes), [embeddings])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("alt_loss", [False, True])
def test_tuples_of_identical_embeddings(alt_loss, dtype):
    same = torch.ones(5, 4, dtype=dtype)
    value, slopes = gradients(TripletLoss(0.3, alt_loss), same, same, same)
    assert value.item() == pytest.approx(0.5 if alt_loss else 0.3)
    assert all((slope == 0).all() for slope in slopes)
    value, slopes = gradients(QuadrupletLoss(0.3, None, alt_loss), same, same, same, same)
    assert value.item() == pytest.approx(1.0 if alt_loss else 0.45)
    assert all((slope == 0).all() for slope in slopes)


@pytest.mark.parametrize("alt_loss", [False, True])
def test_one_zero_distance_leaves_the_other_distance_its_gradient(alt_loss):
    a, n = normal(2, 5, 4, seed=10) / 10
    _, (_, at_positive, at_negative) = gradients(TripletLoss(0.5, alt_loss), a, a, n)
    assert (at_positive == 0).all()
    assert (at_negative != 0).any(1).all()


@pytest.mark.parametrize("alt_loss", [False, True])
def test_tuples_of_huge_values(alt_loss):
    tuples = 1e4 * normal(4, 8, 64, seed=11, dtype=torch.float32)
    gradients(TripletLoss(0.5, alt_loss), *tuples[:3])
    gradients(QuadrupletLoss(0.5, None, alt_loss), *tuples)


@pytest.mark.parametrize("scale", [1e4, 1.0, 1e-4, 1e-8, 1e-20, 0.0])
def test_magnet_at_any_scale(scale):
    embeddings = scale * normal(12, 64, seed=12, dtype=torch.float32)
    for classes in (None, torch.tensor([0, 0, 1, 2]), torch.zeros(4, dtype=torch.long)):
        magnet_gradient(MagNetLoss(0.5), embeddings, torch.tensor([0, 1, 2, 3] * 3), classes)


def test_magnet_of_identical_embeddings_counts_the_impostors():
    value, gradient = magnet_gradient(MagNetLoss(0.5), torch.ones(12, 4), torch.tensor([0, 1, 2, 3] * 3))
    assert value.item() == pytest.approx(0.5 + math.log(3))
    assert (gradient == 0).all()


@pytest.mark.parametrize(
    ("clusters", "classes"),
    [
        ([0] * 6, None),
        ([3] * 6, None),
        ([0, 1, 2, 0, 1, 2], [4, 4, 4]),
        ([0, 0, 0, 2, 2, 2], [1, 0, 1]),
    ],
    ids=["one cluster", "one cluster, not the first", "one class", "other class has no tile"],
)
def test_magnet_without_another_class_is_zero(clusters, classes):
    classes = None if classes is None else torch.tensor(classes)
    value, gradient = magnet_gradient(MagNetLoss(0.5), normal(6, 4, seed=13), torch.tensor(clusters), classes)
    assert value == 0
    assert (gradient == 0).all()


def test_magnet_of_one_tile_per_cluster_and_of_one_tile():
    value, gradient = magnet_gradient(MagNetLoss(0.5), normal(3, 4, seed=14), torch.tensor([0, 1, 2]))
    assert value == 0  # points without spread, far from each other
    assert (gradient == 0).all()
    value, _ = magnet_gradient(MagNetLoss(0.5), torch.zeros(3, 4), torch.tensor([0, 1, 2]))
    assert value.item() == pytest.approx(0.5 + math.log(2))
    value, _ = magnet_gradient(MagNetLoss(0.5), normal(1, 4), torch.tensor([0]))
    assert value == 0


def test_an_empty_batch_is_zero_and_has_a_gradient():
    empty, no_clusters = torch.empty(0, 4), torch.empty(0, dtype=torch.long)
    for alt_loss in (False, True):
        assert gradients(TripletLoss(0.5, alt_loss), empty, empty, empty)[0] == 0
        assert gradients(QuadrupletLoss(0.5, None, alt_loss), empty, empty, empty, empty)[0] == 0
    assert magnet_gradient(MagNetLoss(0.5), empty, no_clusters)[0] == 0
    assert magnet_gradient(MagNetLoss(0.5), empty, no_clusters, torch.tensor([0, 1]))[0] == 0


def test_the_hinge_has_slope_zero_where_it_reaches_zero():
    a, p, n = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[2.0, 0.0]]])  # 1 - 4 + 3 = 0
    value, slopes = gradients(TripletLoss(3.0), a, p, n)
    assert value == 0
    assert all((slope == 0).all() for slope in slopes)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened_before_the_maths(dtype):
    tuples, clusters = normal(4, 12, 64, seed=15).to(dtype), torch.arange(3).repeat(4)
    for loss, inputs in [
        (TripletLoss(0.5), tuples[:3]), (TripletLoss(0.5, True), tuples[:3]), (QuadrupletLoss(0.5), tuples),
    ]:  # fmt: skip
        assert torch.equal(loss.terms(*inputs), loss.terms(*inputs.float()))
    assert torch.equal(MagNetLoss(9.0).terms(tuples[0], clusters), MagNetLoss(9.0).terms(tuples[0].float(), clusters))
    assert QuadrupletLoss(0.5)(*tuples).dtype == torch.float32
    magnet_gradient(MagNetLoss(0.5), tuples[0], clusters)


def test_autocast_changes_nothing():
    tuples, clusters = normal(4, 12, 64, seed=16, dtype=torch.float32), torch.arange(3).repeat(4)
    losses = [TripletLoss(0.5), TripletLoss(0.5, True), QuadrupletLoss(0.5), QuadrupletLoss(0.5, None, True)]
    inputs = [tuples[:3], tuples[:3], tuples, tuples]
    plain = [loss.terms(*x) for loss, x in zip(losses, inputs)] + [MagNetLoss(9.0).terms(tuples[0], clusters)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = [loss.terms(*x) for loss, x in zip(losses, inputs)] + [MagNetLoss(9.0).terms(tuples[0], clusters)]
    assert all(torch.equal(a, b) for a, b in zip(plain, cast))


def test_float64_stays_float64():
    tuples = normal(4, 6, 3, seed=17)
    assert TripletLoss(0.5)(*tuples[:3]).dtype == torch.float64
    assert QuadrupletLoss(0.5, None, True)(*tuples).dtype == torch.float64
    assert MagNetLoss(0.5)(tuples[0], torch.arange(6) % 2).dtype == torch.float64


def test_pairwise_distances_equal_a_slow_loop_and_are_exact_where_rows_are_equal():
    x, y = normal(30, 6, seed=18), normal(9, 6, seed=19)
    assert pairwise_squared_distances(x, y).flatten().tolist() == pytest.approx([squared(a, b) for a in x for b in y])
    far = torch.cat([x, x]).float() + 1000  # many rows and large values: where the faster formula cancels
    distances = pairwise_squared_distances(far)
    assert torch.equal(distances[:30, 30:].diagonal(), torch.zeros(30))
    assert torch.equal(distances[:, :30], distances[:, 30:])
    assert torch.allclose(distances[0], squared_distances(far[:1], far), rtol=1e-5)
    assert pairwise_squared_distances(x.bfloat16()).dtype == torch.float32
    assert pairwise_squared_distances(torch.empty(0, 6)).shape == (0, 0)
    assert torch.allclose(euclidean_distances(x, x.flip(0)).square(), squared_distances(x, x.flip(0)))


def test_the_names_lead_to_the_losses():
    assert list(LOSSES) == ["tripletloss", "quadrupletloss", "magnetloss", "vicregloss", "softcontrastloss"]
    assert list(LOSSES.values()) == [TripletLoss, QuadrupletLoss, MagNetLoss, VICRegLoss, SoftContrastLoss]
    assert QuadrupletLoss(0.8).margin2 == 0.4


@pytest.mark.parametrize("margin", [-1, 0, math.nan, math.inf])
def test_a_margin_that_is_not_positive_is_refused(margin):
    for name, loss in (("TripletLoss", TripletLoss), ("QuadrupletLoss", QuadrupletLoss), ("MagNetLoss", MagNetLoss)):
        with pytest.raises(ValueError, match=f"The 'margin' parameter of {name} must be > 0 .* Got {margin} instead"):
            loss(margin)
    with pytest.raises(ValueError, match="'margin2' parameter of QuadrupletLoss"):
        QuadrupletLoss(1.0, margin)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"one shape \(B, D\).*negative \(1, 4\)"):
        TripletLoss(0.5)(torch.ones(3, 4), torch.ones(3, 4), torch.ones(1, 4))
    with pytest.raises(ValueError, match=r"clusters \(n,\)"):
        MagNetLoss(0.5)(torch.ones(3, 4), torch.zeros(2, dtype=torch.long))
    for wrong in (-1, 2):
        with pytest.raises(ValueError, match=r"must be in 0..M-1, .* for M = 2 instead"):
            MagNetLoss(0.5)(torch.ones(2, 4), torch.tensor([0, wrong]), torch.tensor([0, 1]))


def slow_vicreg(a, p, invariance, variance, covariance):
    """Terms of VICReg, number by number."""
    n, dimensions = len(a), len(a[0])

    def moments(rows, i, j):
        means = [sum(float(row[k]) for row in rows) / n for k in (i, j)]
        return sum((float(row[i]) - means[0]) * (float(row[j]) - means[1]) for row in rows) / (n - 1)

    def statistics(rows):
        spread = sum(max(0.0, 1 - math.sqrt(moments(rows, d, d) + 1e-4)) for d in range(dimensions)) / dimensions
        pairs = [(i, j) for i in range(dimensions) for j in range(dimensions) if i != j]
        return spread, sum(moments(rows, i, j) ** 2 for i, j in pairs) / dimensions

    (v1, c1), (v2, c2) = statistics(a), statistics(p)
    shared = variance * (v1 + v2) / 2 + covariance * (c1 + c2) / 2
    return [invariance * squared(x, y) / dimensions + shared for x, y in zip(a, p)]


@pytest.mark.parametrize("weights", [(25, 25, 1), (1, 0.5, 3)])
def test_vicreg_equals_a_slow_loop(weights):
    a, p = 0.7 * normal(6, 4), 1.4 * normal(6, 4, seed=1)
    terms = VICRegLoss(*weights).terms(a, p)
    torch.testing.assert_close(terms, torch.tensor(slow_vicreg(a, p, *weights), dtype=torch.float64))
    value, slopes = gradients(VICRegLoss(*weights), a, p)
    assert value == pytest.approx(float(terms.mean())) and all(slope.abs().sum() > 0 for slope in slopes)


def test_vicreg_of_equal_embeddings_and_of_perfect_ones():
    same = torch.ones(5, 3, dtype=torch.float64)
    value, _ = gradients(VICRegLoss(), same, same)
    assert value == pytest.approx(25 * (1 - math.sqrt(1e-4))), "a collapsed embedding pays the whole variance term"
    corners = 2 * torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    value, slopes = gradients(VICRegLoss(), corners, corners)
    assert value == 0 and not slopes[0].any(), "equal pairs, deviations over 1, no correlation"


def test_vicreg_refuses_what_has_no_statistics():
    with pytest.raises(ValueError, match="at least two pairs"):
        VICRegLoss().terms(normal(1, 3), normal(1, 3))
    with pytest.raises(ValueError, match="'covariance' parameter of VICRegLoss must be > 0"):
        VICRegLoss(covariance=0)


def slow_soft_contrast(embeddings, proportions, temperature, sharpness):
    """Terms of the soft contrast, number by number."""
    n = len(embeddings)
    terms = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        overlap = {j: sum(min(float(p), float(q)) for p, q in zip(proportions[i], proportions[j])) for j in others}
        total = sum(o**sharpness for o in overlap.values())
        lengths = [math.sqrt(sum(float(x) ** 2 for x in row)) for row in embeddings]
        cosine = {
            j: sum(float(x) * float(y) for x, y in zip(embeddings[i], embeddings[j])) / (lengths[i] * lengths[j])
            for j in others
        }
        sum_of_exponentials = sum(math.exp(c / temperature) for c in cosine.values())
        value = 0.0
        for j in others if total else []:
            weight, share = overlap[j] ** sharpness / total, math.exp(cosine[j] / temperature) / sum_of_exponentials
            value += weight * math.log(weight / share) if weight else 0.0
        terms.append(value)
    return terms


@pytest.mark.parametrize("temperature, sharpness", [(0.1, 4), (0.5, 1), (2, 0.5)])
def test_soft_contrast_equals_a_slow_loop(temperature, sharpness):
    shares = normal(8, 3, seed=2).square()
    shares[:2] = torch.tensor([1.0, 0, 0])
    proportions = shares / shares.sum(1, keepdim=True)
    loss, embeddings = SoftContrastLoss(temperature, sharpness), normal(8, 4)
    expected = slow_soft_contrast(embeddings, proportions, temperature, sharpness)
    assert loss.terms(embeddings, proportions).tolist() == pytest.approx(expected, abs=1e-9)
    _, (slope,) = gradients(lambda x: loss(x, proportions), embeddings)
    assert slope.abs().sum() > 0


def test_soft_contrast_of_two_classes_apart_is_almost_0_and_of_tiles_with_nothing_in_common_0():
    labels = torch.eye(2, dtype=torch.float64).repeat_interleave(4, 0)
    apart = torch.tensor([[1.0, 0], [-1, 0]], dtype=torch.float64).repeat_interleave(4, 0)
    value, _ = gradients(lambda x: SoftContrastLoss(0.1)(x, labels), apart)
    assert 0 <= value < 1e-6
    value, (slope,) = gradients(lambda x: SoftContrastLoss()(x, torch.eye(5, dtype=torch.float64)), normal(5, 4))
    assert value == 0 and not slope.any()
    collapsed, _ = gradients(lambda x: SoftContrastLoss(0.1)(x, labels), torch.ones(8, 3, dtype=torch.float64))
    assert collapsed == pytest.approx(math.log(7 / 3)), "all others get the same share, three of seven should"


@pytest.mark.parametrize("tiles, dimensions", [(12, 4), (7, 9), (2, 3)])
def test_readout_errors_are_those_of_ridge_regression_on_the_other_half(tiles, dimensions):
    embeddings, shares = 3 + 5 * normal(tiles, dimensions), normal(tiles, 3, seed=1).square()
    targets = shares / shares.sum(1, keepdim=True)
    z = (embeddings - embeddings.mean(0)).numpy()
    z /= np.sqrt((z**2).sum(1).mean())
    halves = np.arange(tiles) < tiles // 2
    expected = np.empty(tiles)
    for half in (halves, ~halves):
        mean = targets[half].numpy().mean(0)
        ridge = Ridge(alpha=0.1, fit_intercept=False).fit(z[half], targets[half].numpy() - mean)
        predicted = ridge.predict(z[~half]).reshape(-1, 3) + mean
        expected[~half] = np.abs(predicted - targets[~half].numpy()).sum(1)
    errors = readout_errors(embeddings, targets)
    assert errors.numpy() == pytest.approx(expected, abs=3.1e-3), "but for the root of 1e-6 in each of three classes"
    _, (slope,) = gradients(lambda x: readout_errors(x, targets).mean(), embeddings)
    assert bool(slope.any()) == (tiles > 2), "of one tile a model only learns the mean"


def test_readout_of_collapsed_embeddings_is_finite_and_of_those_that_hold_the_targets_small():
    targets = torch.eye(3, dtype=torch.float64).repeat(6, 1)
    value, (slope,) = gradients(lambda x: readout_errors(x, targets).mean(), torch.ones(18, 4, dtype=torch.float64))
    assert value == pytest.approx(4 / 3, abs=0.01) and slope.isfinite().all(), "the mean misses by 2/3 + 1/3 + 1/3"
    assert readout_errors(torch.cat([targets, normal(18, 1)], 1)[:, :3], targets).max() < 0.1
    with pytest.raises(ValueError, match="at least two tiles"):
        readout_errors(torch.ones(1, 4), torch.ones(1, 3))


def test_soft_contrast_adds_the_weighted_readout():
    shares, embeddings = normal(8, 3, seed=2).square(), normal(8, 4)
    proportions = shares / shares.sum(1, keepdim=True)
    both = SoftContrastLoss(0.3, readout=2.5).terms(embeddings, proportions)
    alone, errors = SoftContrastLoss(0.3).terms(embeddings, proportions), readout_errors(embeddings, proportions)
    torch.testing.assert_close(both, alone + 2.5 * errors)
    with pytest.raises(ValueError, match=r"'readout' parameter of SoftContrastLoss must be >= 0 .* Got -1"):
        SoftContrastLoss(readout=-1)

"""The part of an embedding that is fitted in closed form: Fourier features of what near tiles have in common."""

import numpy as np
import pytest
import torch
from near_pairs_for_tests import pairs_of_signals

from networks import Architecture, HeadInputs, Normalise, build, estimate_batchnorm_statistics
from networks.common_axes import common_axes, standardised
from networks.fourier_features import AXES, FourierFeatures, gaussian, symmetric

OFFSET, SCALE = np.array([90.0, 110.0, 70.0]), np.array([0.02, 0.01, 0.03])
LEARNED, FOURIER = 8, 6


def tiles(n=6, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(1, 250, (n, 3, 16, 16)).astype("uint8"))


def network(norm_output=False, projection=(), hidden=(12,), fourier_features=FOURIER):
    inputs = HeadInputs(("band_statistics",), OFFSET, SCALE).fit(tiles(40))
    model = build(
        Architecture(
            "test_resnet",
            3,
            16,
            LEARNED + fourier_features,
            norm_output,
            head_layers=hidden,
            projection=projection,
            fourier_features=fourier_features,
        ),
        Normalise(OFFSET, SCALE),
        0,
        head_inputs=inputs,
    )
    estimate_batchnorm_statistics(model, [tiles(60, seed=1)])
    return model.eval()


def fitted(model):
    with torch.no_grad():
        model.fourier.fit(*(torch.cat(model.learned(tiles(50, seed)), 1) for seed in (2, 3)))
    return model


def test_the_symmetric_matrix_gives_the_same_distances():
    axes, rows = torch.randn(9, 4, dtype=torch.float64), torch.randn(6, 9, dtype=torch.float64)
    matrix = symmetric(axes)
    torch.testing.assert_close(matrix, matrix.T)
    torch.testing.assert_close(torch.cdist(rows @ matrix, rows @ matrix), torch.cdist(rows @ axes, rows @ axes))


def test_rounding_errors_change_little_where_axes_have_equal_shares():
    generator = torch.Generator().manual_seed(0)
    columns = torch.cat([torch.ones(64, 1), torch.randn(64, 12, generator=generator)], 1)
    features = torch.linalg.qr(columns.double())[0][:, 1:].float()  # mean 0, equal deviations, uncorrelated
    rounded = features * (1 + 1e-6 * torch.randn(64, 12, generator=generator))
    found, other = (FourierFeatures(12, 10).fit(each, each)(features) for each in (features, rounded))
    torch.testing.assert_close(other, found, atol=1e-3, rtol=0)


def test_products_are_those_of_the_gaussian_kernel():
    anchors, positives = pairs_of_signals()
    fourier = FourierFeatures(7, 40_000).fit(anchors, positives)
    found = fourier(anchors[:60])
    both, _, _ = standardised(anchors, positives)
    z = both @ common_axes(both, AXES)
    squares = torch.cdist(z, z).square()
    kernel = torch.exp(-squares / squares.mean())[:60, :60].float()
    torch.testing.assert_close(found @ found.T / 40_000, kernel, atol=0.03, rtol=0)
    assert found.norm(dim=1).numpy() == pytest.approx(np.full(60, 200.0), rel=1e-5)


def test_near_tiles_get_nearer_than_their_features_are():
    anchors, positives = pairs_of_signals(seed=1)
    fourier = FourierFeatures(7, 512).fit(*pairs_of_signals())
    for make, least in ((lambda x: x, 0), (fourier, 0.9)):
        a, p = make(anchors), make(positives)
        is_nearest = torch.cdist(a, p).argmin(1) == torch.arange(len(a))
        assert is_nearest.float().mean() >= least
        if not least:
            assert is_nearest.float().mean() < 0.5, "the features themselves do not show it"


def test_the_same_pairs_give_the_same_features_whichever_way_round():
    anchors, positives = pairs_of_signals()
    found = FourierFeatures(7, 10).fit(anchors, positives)(anchors)
    assert torch.equal(FourierFeatures(7, 10).fit(anchors, positives)(anchors), found)
    torch.testing.assert_close(FourierFeatures(7, 10).fit(positives, anchors)(anchors), found, atol=1e-4, rtol=1e-4)
    assert torch.equal(gaussian(3, 4), gaussian(3, 4))


@pytest.mark.parametrize(
    "anchors, positives",
    [
        (torch.full((300, 9), 2.5), torch.full((300, 9), 2.5)),
        (torch.randn(300, 9), torch.randn(300, 9)),
        (torch.arange(9.0).expand(1, 9), torch.zeros(1, 9)),
        (torch.ones(1, 9), torch.ones(1, 9)),
        (torch.randn(4, 900), torch.randn(4, 900)),
        (torch.eye(9), torch.eye(9)),
    ],
    ids=["constants", "nothing in common", "one pair", "one pair, equal", "more features than pairs", "equal pairs"],
)
def test_features_of_few_or_odd_pairs_are_finite(anchors, positives):
    fourier = FourierFeatures(anchors.shape[1], 4).fit(anchors, positives)
    assert fourier(anchors).isfinite().all() and fourier(anchors).abs().max() <= 2**0.5 + 1e-5


def test_before_the_fit_they_are_zeros():
    assert FourierFeatures(9, 4)(torch.randn(5, 9)).eq(0).all()
    assert network()(tiles())[:, LEARNED:].eq(0).all()


@pytest.mark.parametrize("hidden", [(), (12,)])
def test_they_stand_beside_what_the_head_makes(hidden):
    model, pixels = fitted(network(hidden=hidden)), tiles()
    further = model.head_inputs(pixels, torch.ones(6, 16, 16, dtype=torch.bool))
    learned = model.head(torch.cat([model.backbone(model.normalisation(pixels)), further], 1))
    embeddings = model(pixels)
    torch.testing.assert_close(embeddings[:, :LEARNED], learned)
    torch.testing.assert_close(embeddings[:, LEARNED:], model.fourier(torch.cat([learned, further], 1)))
    assert embeddings[:, LEARNED:].std() > 0.3
    assert not any("fourier" in name for name, _ in model.named_parameters()), "nothing of them is trained"


@pytest.mark.parametrize("projection, width", [((), LEARNED), ((20, 3), 3)])
def test_training_sees_the_learned_part_alone(projection, width):
    model, pixels = network(projection=projection).train(), tiles()
    model.fourier.frequencies.fill_(torch.nan)
    assert model(pixels).shape == (6, width) and model(pixels).isfinite().all()


@pytest.mark.parametrize("norm_output", [False, True])
def test_the_learned_part_alone_has_a_scale_of_its_own(norm_output):
    model, pixels = fitted(network(norm_output=norm_output)), tiles()
    alone, learned = model(pixels, with_fourier=False), model.learned(pixels)[0]
    assert torch.equal(alone, learned / learned.norm(dim=1, keepdim=True) if norm_output else learned)


def test_each_mode_scales_its_own_embeddings_to_length_1():
    model, pixels = fitted(network(norm_output=True)), tiles()
    for embeddings, width in [(model.train()(pixels), LEARNED), (model.eval()(pixels), LEARNED + FOURIER)]:
        assert embeddings.shape == (6, width)
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(6))


def test_both_parts_vary_about_equally():
    """Else the part of larger numbers would be all of a distance."""
    deviations = fitted(network())(tiles(100)).std(0)
    torch.testing.assert_close(deviations[:LEARNED], torch.ones(LEARNED), atol=0.4, rtol=0)
    torch.testing.assert_close(deviations[LEARNED:].mean(), torch.tensor(1.0), atol=0.4, rtol=0)


def test_weights_hold_them():
    model, pixels, twin = fitted(network()), tiles(), network()
    assert not torch.equal(twin(pixels), model(pixels))
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin(pixels), model(pixels))


def test_without_them_nothing_is_added():
    plain = network(fourier_features=0, hidden=())
    assert plain.fourier is None and isinstance(plain.head, torch.nn.Linear)
    assert not [name for name in plain.state_dict() if name.startswith("fourier")]
    assert plain(tiles()).shape == (6, LEARNED)

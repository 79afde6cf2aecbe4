"""The part of an embedding that no training changes: principal components of the head's further inputs."""

import numpy as np
import pytest
import torch

from config import UserError
from networks import HeadInputs, Normalise, PrincipalComponents, build, estimate_batchnorm_statistics
from networks.principal_components import principal_axes, random_rotation

GENERATOR = np.random.default_rng(0)
OFFSET, SCALE = np.array([90.0, 110.0, 70.0]), np.array([0.02, 0.01, 0.03])
LEARNED, COMPONENTS = 8, 5


def tiles(n=6):
    return torch.from_numpy(GENERATOR.integers(1, 250, (n, 3, 16, 16)).astype("uint8"))


def sample(n=60, features=9):
    """Features of very different variances, neither of mean 0 nor independent of each other."""
    independent = GENERATOR.normal(size=(n, features)) * 2.0 ** -np.arange(features)
    return torch.from_numpy(independent @ GENERATOR.normal(size=(features, features)) + 3).float()


def network(norm_output=False, projection=(), hidden=(12,)):
    inputs = HeadInputs(("band_statistics",), OFFSET, SCALE).fit(tiles(40))
    components = PrincipalComponents(inputs.num_features, COMPONENTS).fit(inputs.of_sample(tiles(40)))
    return build(
        "test_resnet", 3, 16, LEARNED + COMPONENTS, norm_output, Normalise(OFFSET, SCALE), 0, head_inputs=inputs,
        hidden=hidden, projection=projection, components=components,
    )  # fmt: skip


def test_axes_are_the_singular_vectors_of_the_centred_features():
    features = sample().double()
    centred = features - features.mean(0)
    axes = principal_axes(centred, 4).numpy()
    expected = np.linalg.svd(centred.numpy())[2][:4]
    for axis, vector in zip(axes.T, expected):
        largest = vector[np.abs(vector).argmax()]
        np.testing.assert_allclose(axis, vector * np.sign(largest), atol=1e-8)


def test_axes_of_turned_round_features_are_the_same():
    centred = sample().double()
    centred = centred - centred.mean(0)
    torch.testing.assert_close(principal_axes(-centred, 3), principal_axes(centred, 3))


@pytest.mark.parametrize("size", [1, 2, 7])
def test_rotation_is_orthogonal_and_given_by_its_seed(size):
    rotation = random_rotation(size)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(size, dtype=torch.float64))
    assert torch.equal(rotation, random_rotation(size))
    if size > 1:
        assert not torch.allclose(rotation.abs(), random_rotation(size, seed=1).abs())


def test_components_are_what_a_step_by_step_computation_gives():
    features = sample()
    found = PrincipalComponents(9, 4).fit(features)(features)
    rows = features.double().numpy()
    centred = rows - rows.mean(0)
    axes = principal_axes(torch.from_numpy(centred), 4).numpy()
    expected = np.zeros((len(rows), 4))
    for row, own in zip(centred, expected):
        own[:] = [sum(row @ axes[:, j] * random_rotation(4)[j, k].item() for j in range(4)) for k in range(4)]
    np.testing.assert_allclose(found, expected / expected.std(0), atol=1e-4)


def test_every_component_has_mean_0_and_deviation_1_and_the_rotation_shares_out_the_variance():
    features = sample(2000, 80)
    components = PrincipalComponents(80, 60).fit(features)
    found = components(features)
    torch.testing.assert_close(found.mean(0), torch.zeros(60), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.std(0, correction=0), torch.ones(60), atol=1e-3, rtol=0)
    variances = components.axes.norm(dim=0) ** -2  # an axis is divided by the deviation along it
    unrotated = torch.linalg.eigvalsh(features.double().T.cov())[-60:]
    assert variances.sum() == pytest.approx(unrotated.sum().item(), rel=1e-3), "nothing of the variance is lost"
    assert variances.max() / variances.min() < unrotated.max() / unrotated.min() / 1000


def test_all_components_of_features_tell_as_much_as_the_features():
    features = sample()
    found = PrincipalComponents(9, 9).fit(features)(features)
    with_one = torch.cat([found, torch.ones(60, 1)], 1).double()
    read = with_one @ torch.linalg.lstsq(with_one, features.double()).solution
    torch.testing.assert_close(read.float(), features, atol=1e-3, rtol=0)


def test_features_that_do_not_vary_give_zeros():
    features = torch.full((300, 9), 2.5)
    assert PrincipalComponents(9, 4).fit(features)(features).abs().max() < 1e-5
    features = sample(300)
    features[:, 3:] = 1  # three features vary, and four components are asked for
    assert PrincipalComponents(9, 4).fit(features)(features).isfinite().all()


def test_more_components_than_features():
    with pytest.raises(UserError, match=r"'principal_components' must be at most 9, .* Got 10\."):
        PrincipalComponents(9, 10)


@pytest.mark.parametrize("hidden", [(), (12,)])
def test_components_stand_beside_what_the_head_makes(hidden):
    model, pixels = network(hidden=hidden).eval(), tiles()
    has_data = torch.ones(6, 16, 16, dtype=torch.bool)
    further = model.head_inputs(pixels, has_data)
    learned = model.head(torch.cat([model.backbone(model.normalisation(pixels)), further], 1))
    embeddings = model(pixels)
    torch.testing.assert_close(embeddings[:, :LEARNED], learned)
    torch.testing.assert_close(embeddings[:, LEARNED:], model.components(further))
    assert not any("components" in name for name, _ in model.named_parameters()), "nothing of them is trained"


@pytest.mark.parametrize("projection, width", [((), LEARNED), ((20, 3), 3)])
def test_training_sees_the_learned_part_alone(projection, width):
    model, pixels = network(projection=projection), tiles()
    seen = model.train()(pixels)
    model.components.axes.fill_(torch.nan)
    assert seen.shape == (6, width)
    assert seen.isfinite().all() and model(pixels).isfinite().all()


def test_each_mode_scales_its_own_embeddings_to_length_1():
    model, pixels = network(norm_output=True), tiles()
    for embeddings, width in [(model.train()(pixels), LEARNED), (model.eval()(pixels), LEARNED + COMPONENTS)]:
        assert embeddings.shape == (6, width)
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(6))


def test_both_parts_of_an_untrained_network_vary_equally():
    """Its statistics are estimated; else the part of larger numbers would be all of a distance."""
    model, pixels = network(), tiles(100)
    estimate_batchnorm_statistics(model, [pixels])
    deviations = model.eval()(pixels).std(0)
    torch.testing.assert_close(deviations[:LEARNED], torch.ones(LEARNED), atol=0.02, rtol=0)
    torch.testing.assert_close(deviations[LEARNED:].mean(), torch.tensor(1.0), atol=0.3, rtol=0)


def test_weights_hold_the_components():
    model, pixels = network().eval(), tiles()
    twin = network().eval()
    twin.components = PrincipalComponents(12, COMPONENTS)
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin(pixels), model(pixels))


def test_without_components_nothing_is_added():
    plain = build("test_resnet", 3, 16, 8, True, Normalise(OFFSET, SCALE), 0)
    assert plain.components is None and isinstance(plain.head, torch.nn.Linear)
    assert not [name for name in plain.state_dict() if name.startswith("components")]

"""Features that join the network's in its last layer, and the projection head that only training sees."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from config import types
from dataProcessors.statistics import band_statistics
from networks import HEAD_INPUTS, Architecture, Embedder, HeadInputs, Normalise, build, estimate_batchnorm_statistics
from networks.head_inputs import BandStatistics
from networks.heads import embedding_head, projection_head

GENERATOR = np.random.default_rng(0)
OFFSET, SCALE = np.array([90.0, 110.0, 70.0]), np.array([0.02, 0.01, 0.03])


def tiles(n=6, size=16, channels=3, dtype="uint8"):
    return torch.from_numpy(GENERATOR.integers(1, 250, (n, channels, size, size)).astype(dtype))


def network(head_inputs=tuple(HEAD_INPUTS), projection=(), norm_output=False, sample=None):
    inputs = HeadInputs(head_inputs, OFFSET, SCALE).fit(tiles(40) if sample is None else sample)
    normalisation = Normalise(OFFSET, SCALE, [((0, 0, 0), True)])
    return build(
        Architecture("test_resnet", 3, 16, 8, norm_output, projection=projection), normalisation, 0, head_inputs=inputs
    )


def test_names_are_those_of_the_config():
    assert set(get_args(types.HEAD_INPUT_NAMES)) == set(HEAD_INPUTS)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_band_statistics_are_those_of_the_yardstick(dtype):
    pixels, has_data = tiles(dtype=dtype), torch.from_numpy(GENERATOR.random((6, 16, 16)) > 0.4)
    has_data[1], has_data[2] = False, True
    found = BandStatistics(OFFSET, SCALE)(pixels, has_data)
    with_validity = np.concatenate([pixels.numpy(), has_data[:, None].numpy().astype(dtype)], 1)
    if dtype == "float32":
        with_validity = torch.where(has_data[:, None], pixels, torch.nan).numpy()
    expected = band_statistics(with_validity, dtype != "float32", OFFSET, SCALE)
    np.testing.assert_allclose(np.delete(found, 1, 0), np.delete(expected, 1, 0), atol=1e-5)
    assert not found[1].any(), "zeros for a tile without data"


def test_every_feature_has_mean_0_and_deviation_1_over_the_sample():
    sample = tiles(70)
    sample[:, 2] = 9  # a band that does not vary
    inputs = HeadInputs(tuple(HEAD_INPUTS), OFFSET, SCALE).fit(sample)
    features = inputs(sample, torch.ones_like(sample[:, 0], dtype=torch.bool))
    assert features.shape == (70, inputs.num_features) == (70, 12 + 1024)
    deviations = features.std(0, correction=0)
    assert features.mean(0).abs().max() < 1e-3
    assert ((deviations - 1).abs() < 1e-3).logical_or(deviations < 1e-3).all()
    assert (deviations < 1e-3).sum() >= 4, "four statistics of the constant band"


@pytest.mark.parametrize("way", ["channel", "argument", "rule"])
def test_pixels_without_data_count_for_nothing(way):
    """Whatever values they hold, and whichever way the network is told."""
    model, pixels = network().eval(), tiles()
    has_data = torch.from_numpy(GENERATOR.random((6, 16, 16)) > 0.2)
    dark, bright = (torch.where(has_data[:, None], pixels, value).to(torch.uint8) for value in (0, 200))
    expected = model(bright, has_data)
    if way == "channel":
        found = model(torch.cat([dark, has_data[:, None].to(torch.uint8)], 1))
    else:
        found = model(dark, has_data) if way == "argument" else model(dark)
    torch.testing.assert_close(found, expected)


def test_sample_with_a_validity_channel_or_nan():
    pixels, has_data = tiles(40), torch.from_numpy(GENERATOR.random((40, 16, 16)) > 0.2)
    integers = torch.cat([torch.where(has_data[:, None], pixels, 3), has_data[:, None].to(torch.uint8)], 1)
    floats = torch.where(has_data[:, None], pixels.float(), torch.nan)
    one, other = (HeadInputs(tuple(HEAD_INPUTS), OFFSET, SCALE).fit(sample) for sample in (integers, floats))
    torch.testing.assert_close(one.mean, other.mean)
    torch.testing.assert_close(one.deviation, other.deviation)
    assert one.mean.isfinite().all()


def near(n=80, seed=0):
    """Pairs of tiles (n, 3, 16, 16) of one land each, with noise."""
    rng = np.random.default_rng(seed)
    land = rng.integers(40, 200, (n, 3, 1, 1))
    return [torch.from_numpy((land + rng.integers(0, 40, (n, 3, 16, 16))).astype("uint8")) for _ in range(2)]


def with_axes(number=5):
    inputs = HeadInputs(("band_statistics",), OFFSET, SCALE, number).fit(tiles(40))
    return inputs.fit_axes(*(inputs.of_sample(each) for each in near()))


def test_coordinates_along_the_axes_follow_the_features():
    inputs, plain, pixels = with_axes(), HeadInputs(("band_statistics",), OFFSET, SCALE).fit(tiles(40)), tiles()
    plain.mean, plain.deviation = inputs.mean, inputs.deviation
    valid = torch.from_numpy(GENERATOR.random((6, 16, 16)) > 0.4)
    features = inputs(pixels, valid)
    assert features.shape == (6, inputs.num_features) == (6, 12 + 5) and plain.num_features == 12
    assert torch.equal(features[:, :12], plain(pixels, valid))
    for row, given in zip(features, plain(pixels, valid)):  # number by number
        expected = [sum(given[f] * inputs.axes[f, k] for f in range(12)) for k in range(5)]
        torch.testing.assert_close(row[12:], torch.stack(expected), atol=1e-4, rtol=1e-4)
    assert torch.equal(plain.of_sample(pixels), plain(pixels, torch.ones_like(valid)))
    assert (inputs.num_pairs, plain.num_pairs) == (8 * 12, 0)


def test_the_first_axes_show_the_land_and_together_they_vary_as_the_features_do():
    inputs, (anchors, positives) = with_axes(12), near(seed=1)
    valid = torch.ones(80, 16, 16, dtype=torch.bool)
    one, other = (inputs(each, valid)[:, 12:] for each in (anchors, positives))
    noise, deviation = (one - other).std(0), one.std(0)
    assert (noise < 0.1 * deviation)[:3].all() and deviation[:3].min() > 3 * deviation[3:].max()
    fitted = torch.cat([inputs(each, valid)[:, 12:] for each in near()])
    assert fitted.var(0, correction=0).sum().item() == pytest.approx(12, rel=1e-3)


def test_there_are_no_more_axes_than_features():
    assert with_axes(99).num_features == 12 + 12


def test_weights_hold_the_axes_and_nothing_where_there_are_none():
    inputs, twin, pixels = with_axes(), HeadInputs(("band_statistics",), OFFSET, SCALE, 5), tiles()
    valid = torch.ones(6, 16, 16, dtype=torch.bool)
    twin.load_state_dict(inputs.state_dict())
    assert torch.equal(twin(pixels, valid), inputs(pixels, valid))
    assert "axes" not in HeadInputs(("band_statistics",), OFFSET, SCALE).state_dict()


def test_head_inputs_reach_the_embedding_and_are_not_trained():
    model = network()
    assert not any("head_inputs" in name for name, _ in model.named_parameters())
    assert model.head.in_features == model.backbone.num_features + 12 + 1024
    with torch.no_grad():
        model.head.weight[:, : model.backbone.num_features] = 0
    model(tiles()).sum().backward()
    assert model.head.weight.grad[:, model.backbone.num_features :].abs().sum() > 0
    pixels = tiles()
    assert not torch.allclose(model.eval()(pixels), model(pixels // 2)), "without the backbone they alone decide"


def test_projection_head_is_dropped_after_training():
    model, pixels = network(projection=(20, 5), norm_output=True), tiles()
    assert model.train()(pixels).shape == (6, 5)
    embeddings = model.eval()(pixels)
    assert embeddings.shape == (6, 8)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(6))
    twin = network(norm_output=True)
    twin.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("projection")})


def test_a_projection_head_sees_embeddings_before_they_are_scaled():
    sample, pixels = tiles(40), tiles()
    scaled, plain = (network(projection=(20, 5), norm_output=norm, sample=sample).train() for norm in (True, False))
    assert torch.equal(scaled(pixels), plain(pixels)), "the same seed, so the same weights"
    torch.testing.assert_close(plain(pixels), plain.projection(plain.learned(pixels)[0]))


def test_layers_of_a_head():
    kinds = [type(layer) for layer in embedding_head(8, (20, 5), 3)]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 2 + [nn.Linear]
    assert embedding_head(8, (20, 5), 3)(torch.randn(4, 8)).shape == (4, 3)
    assert isinstance(embedding_head(8, (), 3), nn.Linear)


def test_layers_of_a_projection_head():
    kinds = [type(layer) for layer in projection_head(8, (20, 5))]
    assert kinds == [nn.BatchNorm1d, nn.ReLU, nn.Linear] * 2
    assert projection_head(8, (20, 5))(torch.randn(4, 8)).shape == (4, 5)


def test_without_either_a_network_is_what_it_was():
    plain = build(Architecture("test_resnet", 3, 16, 8, True), Normalise(OFFSET, SCALE), 0)
    assert isinstance(plain, Embedder) and plain.head_inputs is None and plain.projection is None
    assert not [name for name in plain.state_dict() if name.startswith(("head_inputs", "projection"))]


def test_statistics_of_a_new_head_alone_are_estimated_on_pretrained_weights():
    """Those of the backbone came with the weights, and the projection head has no part in an embedding."""
    model = build(
        Architecture("test_resnet", 3, 16, 8, False, head_layers=[12], projection=[5]), Normalise(OFFSET, SCALE), 0
    ).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    estimate_batchnorm_statistics(model, [tiles(16), tiles(16)], model.head)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"head.1.running_mean", "head.1.running_var", "head.1.num_batches_tracked"}
    linear = build(Architecture("test_resnet", 3, 16, 8, False), Normalise(OFFSET, SCALE), 0)
    estimate_batchnorm_statistics(linear, iter(()), linear.head)  # nothing to estimate, so no batch is asked for

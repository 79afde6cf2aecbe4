"""Test-time augmentation: outside training, an embedding is the mean over all ways to turn a tile."""

import numpy as np
import pytest
import torch

from networks import Architecture, HeadInputs, Normalise, build, estimate_batchnorm_statistics
from networks.augment import DIHEDRAL_SIZE, dihedral

OFFSET, SCALE = np.array([90.0, 110.0, 70.0]), np.array([0.02, 0.01, 0.03])


def tiles(n=5, dtype="uint8", seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(1, 250, (n, 3, 16, 16)).astype(dtype))


def network(test_time_augmentation=True, norm_output=False):
    inputs = HeadInputs(("band_statistics", "random_convolutions"), OFFSET, SCALE).fit(tiles(40, seed=1))
    model = build(
        Architecture(
            "test_resnet",
            3,
            16,
            14,
            norm_output,
            head_layers=[12],
            fourier_features=6,
            test_time_augmentation=test_time_augmentation,
        ),
        Normalise(OFFSET, SCALE),
        0,
        head_inputs=inputs,
    )
    estimate_batchnorm_statistics(model, [tiles(40, seed=1)])
    with torch.no_grad():
        model.eval().fourier.fit(*(torch.cat(model.learned(tiles(40, seed=seed)), 1) for seed in (2, 3)))
    return model


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("norm_output", [False, True])
def test_an_embedding_is_the_mean_of_those_of_all_views(dtype, norm_output):
    model, plain, given = network(norm_output=norm_output), network(False, norm_output), tiles(dtype=dtype)
    plain.load_state_dict(model.state_dict())
    expected = torch.zeros(5, 14)
    for i, pixels in enumerate(given.numpy()):
        for mirrored in (pixels, pixels[:, :, ::-1]):
            for turns in range(4):
                view = np.rot90(mirrored, turns, (1, 2)).copy()
                expected[i] += plain(torch.from_numpy(view)[None])[0].detach() / DIHEDRAL_SIZE
    if norm_output:
        expected /= expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(model(given).detach(), expected, atol=1e-5, rtol=1e-4)


def test_every_view_of_a_tile_has_the_same_embedding():
    model, given = network(), tiles()
    for way in range(DIHEDRAL_SIZE):
        torch.testing.assert_close(model(dihedral(given, way)), model(given), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(network(False)(dihedral(given, 1)), network(False)(given), atol=1e-3)


def test_where_there_is_data_is_turned_with_the_pixels():
    model, given = network(), tiles(1)
    valid = torch.ones(1, 16, 16, dtype=torch.bool)
    valid[:, :5, :9] = False
    torch.testing.assert_close(model(given, valid), model(dihedral(given, 5), dihedral(valid, 5)), atol=1e-5, rtol=1e-4)
    hidden = given.clone()
    hidden[:, :, :5, :9] = 7  # what stands where there is no data does not matter
    torch.testing.assert_close(model(hidden, valid), model(given, valid), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm_output", [False, True])
def test_the_learned_part_alone_is_a_mean_without_fourier_features(norm_output):
    model, given = network(norm_output=norm_output), tiles()
    before = model(given, with_fourier=False)
    model.fourier.frequencies.fill_(torch.nan)
    assert before.shape == (5, 8) and torch.equal(model(given, with_fourier=False), before)
    torch.testing.assert_close(model(dihedral(given, 3), with_fourier=False), before, atol=1e-5, rtol=1e-4)


def test_in_training_every_tile_is_seen_once():
    model, plain, given = network(), network(False), tiles()
    assert torch.equal(model.train()(given), plain.train()(given))

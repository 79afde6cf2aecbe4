"""Networks, what comes before and after them, augmentation and batch-norm statistics."""

import numpy as np
import pytest
import torch
from torch import nn

from config import UserError
from networks import NETWORKS, Embedder, Normalise, build, estimate_batchnorm_statistics, random_dihedral
from networks.augment import dihedral


def rng(seed=0):
    return np.random.default_rng(seed)


def raw_tiles(number, bands, size, dtype=np.uint8, seed=0):
    return torch.from_numpy(rng(seed).integers(0, 200, (number, bands, size, size)).astype(dtype))


def colours(bands):
    return Normalise([127.5] * bands, [1 / 127.5] * bands)


def small(bands=3, norm_output=True, name="test_resnet", size=32, seed=0):
    return build(name, bands, size, 16, norm_output, colours(bands), seed).eval()


# --- normalisation


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_normalise_equals_a_slow_loop(dtype):
    tiles = raw_tiles(2, 3, 4, dtype)
    offset, scale = [10.0, 20.0, 30.0], [0.5, 0.25, 0.125]
    before = tiles.clone()
    found = Normalise(offset, scale)(tiles)
    assert found.dtype == torch.float32
    assert torch.equal(tiles, before)
    for n, c, y, x in np.ndindex(2, 3, 4, 4):
        assert found[n, c, y, x].item() == (float(tiles[n, c, y, x]) - offset[c]) * scale[c]


def test_large_uint16_values_are_kept():
    tiles = torch.from_numpy(np.full((1, 1, 2, 2), 65535, np.uint16))
    assert Normalise([0.0], [1.0])(tiles).unique().tolist() == [65535.0]


def test_uint8_colours_span_minus_one_to_one():
    tiles = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    assert colours(1)(tiles).flatten().tolist() == pytest.approx([-1.0, 1.0])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [(((7, 7), True), [[0, 7, 100], [0, 100, 100]]), (((7, 7), False), [[0, 0, 100], [0, 0, 100]]),
     (((7, None), False), [[0, 0, 100], [0, 0, 100]]), (((None, 7), False), [[0, 7, 100], [0, 100, 100]])],
)  # fmt: skip
def test_rules_on_values_mark_pixels_without_data(rule, expected):
    tiles = torch.full((1, 2, 1, 3), 100.0)
    tiles[0, :, 0, 0] = 7
    tiles[0, 0, 0, 1] = 7
    for dtype in (torch.float32, torch.uint8, torch.int16):
        found = Normalise([0.0, 0.0], [1.0, 1.0], [rule])(tiles.to(dtype))[0, :, 0]
        assert found.tolist() == expected
    assert Normalise([0.0, 0.0], [1.0, 1.0])(tiles)[0, 0, 0].tolist() == [7, 7, 100]


def test_a_rounded_nodata_value_of_floats_counts():
    tiles = torch.tensor([torch.finfo(torch.float32).min, -1.0, 0.1]).reshape(1, 1, 1, 3)
    found = Normalise([1.0], [1.0], [((-3.4e38,), False), ((np.float32(0.1).item(),), False)])(tiles)
    assert found.flatten().tolist() == [0, -2, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.float32])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_validity_is_a_last_channel_or_an_argument(dtype, layout):
    """Rules on values are for tiles without one: a value that a mask calls data is data."""
    tiles, valid = raw_tiles(3, 2, 5, dtype), torch.from_numpy(rng(1).random((3, 5, 5)) < 0.5)
    normalise = Normalise([3.0, 4.0], [2.0, 0.5], [((float(tiles[0, 0, 0, 0]), None), False)])
    expected = torch.where(valid[:, None], Normalise([3.0, 4.0], [2.0, 0.5])(tiles), 0.0)
    channel = torch.from_numpy(valid[:, None].numpy().astype(dtype))
    together = torch.from_numpy(np.concatenate([tiles.numpy(), channel.numpy()], 1)).contiguous(memory_format=layout)
    for found in (normalise(together), normalise(tiles, valid), normalise(tiles, valid[:, None].to(torch.uint8))):
        assert torch.equal(found, expected)
    assert normalise(together).is_contiguous(memory_format=layout)  # so that the network need not convert it


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("nodata", [(), [((3.0, 3.0), True)]])
def test_a_pixel_with_one_band_that_is_not_finite_becomes_zero(wrong, nodata):
    tiles = torch.full((1, 2, 2, 2), 5.0)
    tiles[0, 1, 0, 1] = wrong
    for valid in (None, torch.ones(1, 2, 2)):
        found = Normalise([1.0, 1.0], [1.0, 1.0], nodata)(tiles, valid)
        assert found[0].tolist() == [[[4, 0], [4, 4]]] * 2


def test_normalise_refuses_what_does_not_fit():
    for offset, scale in (([1.0, 2.0], [1.0]), ([1.0], [np.inf]), ([np.nan], [1.0])):
        with pytest.raises(ValueError, match="must be finite, a number for each band"):
            Normalise(offset, scale)


# --- networks


@pytest.mark.parametrize("bands", [1, 3, 4, 13])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_embeddings_of_any_bands_and_type(bands, dtype):
    embeddings = small(bands)(raw_tiles(3, bands, 32, dtype))
    assert embeddings.shape == (3, 16)
    assert embeddings.dtype == torch.float32
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.equal(embeddings, small(bands)(raw_tiles(3, bands, 32, np.uint8)))  # the values count, not their type


@pytest.mark.parametrize(("name", "bands", "size"), [
    ("resnext50", 4, 32), ("transformer", 1, 16), ("transformer", 13, 24), ("resnet10t", 13, 33), ("test_resnet", 2, 9),
])  # fmt: skip
def test_every_network(name, bands, size):
    embeddings = small(bands, name=name, size=size)(raw_tiles(2, bands, size))
    assert embeddings.shape == (2, 16)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2), atol=1e-5)
    assert not torch.equal(embeddings[0], embeddings[1])


@pytest.mark.parametrize("name", ["resnet10t", "test_resnet"])
@pytest.mark.parametrize("size", [16, 32, 33, 96])
def test_convolutional_networks_train_on_any_image_size(name, size):
    network = small(name=name, size=size).train()
    network(raw_tiles(2, 3, size)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_the_networks_are_those_described():
    assert list(NETWORKS) == ["resnext50", "transformer"]
    transformer = small(name="transformer", size=16).backbone
    assert (transformer.embed_dim, len(transformer.blocks), transformer.blocks[0].attn.num_heads) == (384, 10, 8)
    assert transformer.patch_embed.patch_size == (8, 8)
    assert small(name="resnext50").backbone.layer1[0].conv2.groups == 32


def test_pixels_without_data_give_finite_embeddings_equal_to_those_of_the_middle():
    holed, middle = raw_tiles(3, 3, 32, np.float32), raw_tiles(3, 3, 32, np.float32)
    holed[1, 0, 4:9], holed[2] = torch.nan, torch.inf
    middle[1, :, 4:9], middle[2] = 127.5, 127.5
    network = small()
    embeddings = network(holed)
    assert embeddings.isfinite().all()
    assert torch.allclose(embeddings, network(middle), atol=1e-6)
    nowhere = small()(raw_tiles(1, 3, 32), torch.zeros(1, 32, 32))
    assert torch.allclose(nowhere[0], embeddings[2], atol=1e-6)


def test_norm_output_is_the_only_difference_it_makes():
    tiles = raw_tiles(4, 3, 32)
    plain = small(norm_output=False)(tiles)
    assert not torch.allclose(plain.norm(dim=1), torch.ones(4), atol=1e-2)
    assert torch.allclose(small()(tiles), plain / plain.norm(dim=1, keepdim=True), atol=1e-6)


def test_an_output_of_zeros_has_a_finite_embedding_and_gradient():
    network = small()
    nn.init.zeros_(network.head.weight)
    nn.init.zeros_(network.head.bias)
    embeddings = network(raw_tiles(2, 3, 32))
    embeddings.sum().backward()
    assert (embeddings == 0).all()
    assert network.head.weight.grad.isfinite().all()


def test_embeddings_are_of_unit_length_in_float32_under_autocast():
    tiles = raw_tiles(4, 3, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = small()(tiles)
    assert embeddings.dtype == torch.float32
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(4), atol=1e-6)  # to more digits than bfloat16 has
    assert torch.allclose(embeddings, small()(tiles), atol=0.1)


def test_the_seed_gives_the_weights_and_leaves_the_global_state_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one = small(seed=5)
    assert torch.equal(torch.rand(3), expected)
    two, other = small(seed=5), small(seed=6)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values()))
    assert not torch.equal(one.head.weight, other.head.weight)
    assert not torch.equal(one.backbone.conv1[0].weight, other.backbone.conv1[0].weight)


def test_weights_and_normalisation_are_in_the_state():
    one, other = small(seed=1), build("test_resnet", 3, 32, 16, True, Normalise([0] * 3, [1] * 3), 2).eval()
    other.load_state_dict(one.state_dict())
    tiles = raw_tiles(2, 3, 32)
    assert torch.equal(one(tiles), other(tiles))


def test_what_no_network_can_be_built_of():
    with pytest.raises(UserError, match=r"no 'network' 'resnet'. Similar: resnet\d+"):
        small(name="resnet")
    for size, nearest in ((33, 40), (4, 8)):
        message = f"of {size} pixels. Its 'image_size' may be a multiple of 8, such as {nearest}"
        with pytest.raises(UserError, match=message):
            small(name="transformer", size=size)
    with pytest.raises(ValueError, match="for 3 bands, but the tiles have 4"):
        build("test_resnet", 4, 32, 16, True, colours(3), 0)


# --- augmentation


def slow_symmetries(tile):
    """The eight images (C, S, S) of a tile, each pixel placed by its coordinates."""
    last = tile.shape[-1] - 1
    places = [
        lambda y, x: (y, x), lambda y, x: (x, last - y), lambda y, x: (last - y, last - x), lambda y, x: (last - x, y),
        lambda y, x: (y, last - x), lambda y, x: (last - y, x), lambda y, x: (x, y), lambda y, x: (last - x, last - y),
    ]  # fmt: skip
    images = [np.empty_like(tile) for _ in places]
    for image, place in zip(images, places):
        for y, x in np.ndindex(tile.shape[1:]):
            image[:, y, x] = tile[(slice(None), *place(y, x))]
    return images


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_each_tile_takes_one_of_the_eight_symmetries_all_as_likely(dtype):
    number = 4000
    tile = rng().permutation(2 * 5 * 5).reshape(2, 5, 5).astype(dtype)
    turned = random_dihedral(torch.from_numpy(tile).expand(number, -1, -1, -1), rng(3))
    assert turned.dtype == torch.from_numpy(tile).dtype
    found = turned.numpy()
    counts = [sum((found == image).all((1, 2, 3))) for image in slow_symmetries(tile)]
    assert sum(counts) == number
    assert np.array(counts) / number == pytest.approx([1 / 8] * 8, abs=0.025)  # about 5 standard deviations


def test_the_eight_ways_differ_and_every_tile_keeps_its_place():
    tiles = raw_tiles(50, 3, 4)
    assert len({dihedral(tiles[0], way).numpy().tobytes() for way in range(8)}) == 8
    for tile, turned in zip(tiles.numpy(), random_dihedral(tiles, rng()).numpy()):
        assert any((turned == image).all() for image in slow_symmetries(tile))


def test_augmentation_depends_on_the_generator_alone():
    tiles = raw_tiles(30, 3, 4)
    before = tiles.clone()
    assert torch.equal(random_dihedral(tiles, rng(1)), random_dihedral(tiles, rng(1)))
    assert not torch.equal(random_dihedral(tiles, rng(1)), random_dihedral(tiles, rng(2)))
    assert torch.equal(tiles, before)
    assert random_dihedral(tiles[:0], rng()).shape == (0, 3, 4, 4)


def test_augmentation_refuses_oblong_tiles():
    with pytest.raises(ValueError, match=r"square tiles \(N, C, S, S\). Got \(2, 3, 4, 5\)"):
        random_dihedral(torch.zeros(2, 3, 4, 5), rng())


# --- batch-norm statistics


class OneNorm(nn.Module):
    """Batch norm right at the input, so that its statistics are the tiles' own; and a layer whose mode must stay."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(2, momentum=0.3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, tiles):
        assert not self.dropout.training
        return self.dropout(self.norm(tiles))


def test_batchnorm_statistics_are_the_average_over_the_batches():
    batches = [torch.from_numpy(rng(k).normal(k, 1 + k, (8, 2, 3, 3)).astype(np.float32)) for k in range(3)]
    network = OneNorm()
    network.norm.running_mean.fill_(50.0)
    network.norm.eval()
    estimate_batchnorm_statistics(network, batches)
    for band in range(2):
        values = [batch[:, band].numpy().astype(float).ravel() for batch in batches]
        assert network.norm.running_mean[band].item() == pytest.approx(np.mean([v.mean() for v in values]), rel=1e-5)
        variance = np.mean([v.var(ddof=1) for v in values])
        assert network.norm.running_var[band].item() == pytest.approx(variance, rel=1e-5)
    assert (network.training, network.norm.training, network.dropout.training) == (True, False, True)
    assert network.norm.momentum == 0.3
    assert network.norm.weight.grad is None


def test_batchnorm_statistics_make_an_untrained_network_behave_as_in_training():
    tiles = raw_tiles(16, 3, 32)
    network = small(norm_output=False)
    in_training = network.train()(tiles)
    network.eval()
    far = (network(tiles) - in_training).abs().max()
    estimate_batchnorm_statistics(network, [tiles])
    assert (network(tiles) - in_training).abs().max() < 0.2 * far
    assert not any(module.training for module in network.modules())


def test_networks_without_batchnorm_are_left_alone_and_no_batch_is_an_error():
    def unread():
        raise AssertionError("read")
        yield

    transformer = small(name="transformer", size=16)
    before = {name: values.clone() for name, values in transformer.state_dict().items()}
    estimate_batchnorm_statistics(transformer, unread())
    assert all(torch.equal(before[name], values) for name, values in transformer.state_dict().items())
    network = OneNorm()
    with pytest.raises(ValueError, match="no batch"):
        estimate_batchnorm_statistics(network, [])
    with pytest.raises(AssertionError, match="read"):
        estimate_batchnorm_statistics(network, unread())
    assert (network.training, network.norm.training, network.norm.momentum) == (True, True, 0.3)


def test_an_embedder_takes_any_backbone_that_tells_its_features():
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone.num_features = 3
    embeddings = Embedder(backbone, 5, False, colours(3))(torch.full((2, 3, 8, 8), 127.5))
    assert embeddings.shape == (2, 5)
    assert torch.equal(embeddings[0], embeddings[1])

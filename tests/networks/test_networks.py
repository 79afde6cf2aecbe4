"""Networks: embeddings of any tiles, their length and their seed, and what none can be built of."""

import numpy as np
import pytest
import torch
from embedders_for_tests import colours, raw_tiles, small
from torch import nn

from config import UserError
from networks import NETWORKS, Architecture, Embedder, Normalise, build


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
    one, other = (
        small(seed=1),
        build(Architecture("test_resnet", 3, 32, 16, True), Normalise([0] * 3, [1] * 3), 2).eval(),
    )
    other.load_state_dict(one.state_dict())
    tiles = raw_tiles(2, 3, 32)
    assert torch.equal(one(tiles), other(tiles))


def test_an_embedder_takes_any_backbone_that_tells_its_features():
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone.num_features = 3
    embeddings = Embedder(backbone, Architecture("-", 3, 8, 5, False), colours(3))(torch.full((2, 3, 8, 8), 127.5))
    assert embeddings.shape == (2, 5)
    assert torch.equal(embeddings[0], embeddings[1])


def test_what_no_network_can_be_built_of():
    with pytest.raises(UserError, match=r"no 'network' 'resnet'. Similar: resnet\d+"):
        small(name="resnet")
    for size, nearest in ((33, 40), (4, 8)):
        message = f"of {size} pixels. Its 'image_size' may be a multiple of 8, such as {nearest}"
        with pytest.raises(UserError, match=message):
            small(name="transformer", size=size)
    with pytest.raises(ValueError, match="for 3 bands, but the tiles have 4"):
        build(Architecture("test_resnet", 4, 32, 16, True), colours(3), 0)

"""Batch norms folded into convolutions: the same values, whatever stands around them."""

import copy

import pytest
import torch
from torch import Tensor, nn

from networks import fuse_batchnorm, zoo

SIZE, BANDS = 64, 4


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)  # of initial weights


def with_statistics(network: nn.Module) -> nn.Module:
    """Give the batch norms of a network weights and statistics as training leaves them; return it, applied only."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.running_mean, -0.3, 0.3), (module.running_var, 0.5, 2), (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
            ):  # fmt: skip
                values.data.uniform_(low, high, generator=generator)
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@torch.no_grad()
def compared(network: nn.Module, bands: int = BANDS) -> tuple[int, int]:
    """Check that a network gives the same when its norms are folded; return how many were, and how many are left."""
    tiles = torch.rand(2, bands, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    expected, fused = network(tiles), copy.deepcopy(network)
    number = fuse_batchnorm(fused)
    assert torch.allclose(fused(tiles), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    return number, norms(fused)


# all networks of the zoo with a name of their own, and of timm's: norms before convolutions, norms with an activation,
# sums of branches, convolutions that pad in their own way, and one whose forward pass cannot be followed
@pytest.mark.parametrize(
    ("name", "folded", "left"),
    [
        ("test_resnet", 15, 0), ("resnext50", 53, 0), ("transformer", 0, 0), ("densenet121", 59, 62),
        ("mobilenetv3_small_050", 34, 0), ("resnetv2_18", 8, 9), ("tf_efficientnet_b0", 44, 5),
        ("mobilevit_xxs", 0, 32),
    ],
)  # fmt: skip
def test_networks_give_the_same(name, folded, left):
    assert compared(with_statistics(zoo.create(name, BANDS, SIZE))) == (folded, left)


class Odd(nn.Module):
    """Convolutions whose norm must stay: the output is used twice, one norm is used twice, the weights change."""

    class Scaled(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            return self._conv_forward(input, self.weight / self.weight.norm(), self.bias)

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(BANDS, BANDS, 3, bias=i == 0) for i in range(3))
        self.scaled = self.Scaled(BANDS, BANDS, 3)
        self.norms = nn.ModuleList(nn.BatchNorm2d(BANDS) for _ in range(3))

    def forward(self, tiles: Tensor) -> Tensor:
        first = self.convolutions[0](tiles)
        second = self.norms[0](first) + first
        third = self.norms[1](self.convolutions[1](second))
        fourth = self.norms[1](self.convolutions[2](third))
        return self.norms[2](self.scaled(fourth)).mean((2, 3))


def test_where_a_norm_cannot_be_folded_it_stays():
    assert compared(with_statistics(Odd())) == (0, 3)


def test_bias_missing_weights_and_statistics_of_the_batch():
    plain = nn.Sequential(
        nn.Conv2d(BANDS, 5, 3), nn.BatchNorm2d(5, affine=False), nn.ReLU(),
        nn.Conv2d(5, 6, 3, bias=False, stride=2), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 1),
        nn.BatchNorm2d(6, track_running_stats=False),
    ).eval()  # fmt: skip
    plain[1].running_var.uniform_(0.5, 2)
    assert compared(plain) == (2, 1), "the norm of a batch's own statistics depends on the other tiles"

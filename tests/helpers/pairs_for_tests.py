"""Embeddings, pairs of them that are admissible or not, and the signatures of pytorch-metric-learning."""

import inspect

import torch
import torch.nn.functional as F


def some_embeddings(number: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(number, 8, generator=generator) + 0.3, dim=1).requires_grad_()


def random_masks(number: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks that are neither symmetric nor transitive, with pairs in both roles, and five tiles that serve no one."""
    generator = torch.Generator().manual_seed(seed)
    positive, negative = (torch.rand(number, number, generator=generator) < share for share in (0.3, 0.5))
    positive[0], negative[1] = False, False  # anchors that lack a role
    for mask in (positive, negative):
        mask[-5:] = mask[:, -5:] = False
    return positive, negative


def by_label(number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    labels = torch.arange(number) % 4
    same = labels[:, None] == labels
    return labels, same & ~torch.eye(number, dtype=torch.bool), ~same


def agrees(parameters: dict, library_class: type) -> None:
    signature = inspect.signature(library_class.__init__).parameters.values()
    named = {each.name: each.default for each in signature if each.default is not inspect.Parameter.empty}
    assert {parameter: known.default for parameter, known in parameters.items()} == named
    assert all(known.allows(known.default) for known in parameters.values())

"""Random embeddings, and values of losses whose gradients are finite."""

import torch


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def squared(x, y):
    return sum((float(a) - float(b)) ** 2 for a, b in zip(x, y))


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

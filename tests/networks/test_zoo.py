"""The model zoo: any model of timm by name, frozen parts, and the verb that lists networks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from runs_for_tests import config_file, losses_of, run_in_process, write_fields

import main
from config import UserError
from networks import Architecture, Normalise, build, check, zoo
from networks.freezing import stages


def of_four_bands(name, size=32, **settings):
    return build(Architecture(name, 4, size, 8, True, **settings), Normalise([127.5] * 4, [1 / 127.5] * 4), 0)


def tiles(number=3, bands=4, size=32):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 255, (number, bands, size, size)).astype(np.uint8))


def checkpoint(folder, name="last.pt"):
    return torch.load(folder / name, weights_only=True)


def refused(capsys, path, *overrides):
    """The one line with which a config is refused."""
    assert main.main([str(path), *overrides]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1, message
    return message


@pytest.mark.parametrize(("network", "bands"), [
    ("efficientnet_b0", 4), ("deit_tiny_patch16_224", 4), ("convnext_atto", 4),
    ("test_efficientnet", 3), ("test_vit", 3), ("test_convnext", 3),
])  # fmt: skip
def test_a_model_of_timm_trains_for_two_steps(tmp_path, monkeypatch, no_figures, network, bands):
    monkeypatch.chdir(tmp_path)
    maps = write_fields(tmp_path, bands) | {"bands": list(range(1, bands + 1))}  # else the fourth is taken for alpha
    folder = run_in_process("zoo", maps=maps, network=network, image_size=32, batch_size=2, max_neg_dist=5)
    losses = losses_of(folder)
    assert len(losses) == 2 and np.isfinite(losses).all()
    (first,) = [value for name, value in checkpoint(folder)["network"].items() if value.ndim == 4][:1]
    assert first.shape[1] == bands


@pytest.mark.parametrize(("name", "size"), [
    ("vit_tiny_patch16_224", 48), ("swin_tiny_patch4_window7_224", 64), ("mobilenetv3_small_050", 40),
    ("levit_128s", 64), ("mixer_s32_224", 64), ("xcit_nano_12_p16_224", 32), ("edgenext_xx_small", 64),
    ("pvt_v2_b0", 96),
])  # fmt: skip
def test_models_of_many_kinds_at_sizes_they_were_not_made_for(name, size):
    network = of_four_bands(name, size)
    network(tiles(size=size)).sum().backward()
    embeddings = network.eval()(tiles(size=size))
    assert embeddings.shape == (3, 8)
    assert not torch.allclose(embeddings[0], embeddings[1])


def test_names_of_the_project_keep_their_meaning():
    assert zoo.timm_name("resnext50") == "resnext50_32x4d" and zoo.timm_name("transformer") is None
    assert of_four_bands("resnext50").backbone.layer1[0].conv2.groups == 32


def test_an_unknown_network_is_answered_with_the_nearest_before_the_maps_are_opened(workplace, capsys):
    path = config_file("unknown", maps={"image": "no-map.tif", "labels": {"fields": "no-map.tif"}})
    Path("no-map.tif").write_text("opened, it would be what is told")
    told = refused(capsys, path, "network=eficientnet_b0")
    assert "'eficientnet_b0'" in told and "efficientnet_b0" in told and "python main.py networks" in told
    assert "resnet18.nosuchtag" in refused(capsys, path, "network=resnet18.nosuchtag")
    assert len(refused(capsys, path, f"network={'x' * 3000}")) < 300


@pytest.mark.parametrize(("network", "size", "told"), [
    ("deit_small_patch16_224", 40, "a multiple of 16, such as 48"), ("vit_tiny_patch16_224", 100, "a multiple of 16"),
    ("convnext_tiny", 16, "may be 32, 64, 224"), ("levit_128s", 17, "may be"),
])  # fmt: skip
def test_a_size_that_the_network_cannot_take_is_answered_with_those_it_can(workplace, capsys, network, size, told):
    assert told in refused(capsys, config_file("size", network=network, image_size=size))


def test_probing_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check("resnet18", 48, False, 2)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(("name", "number"), [
    ("resnet18", 4), ("convnext_tiny", 4), ("efficientnet_b0", 7), ("deit_small_patch16_224", 12), ("transformer", 10),
    ("caformer_s18", 4), ("swin_tiny_patch4_window7_224", 4),
])  # fmt: skip
def test_stages_are_those_of_timm(name, number):
    with zoo.on_meta_device():
        backbone = zoo.create(name, 3, 224)
    found = stages(backbone)
    names = [name for stage in found for name in stage]
    assert len(found) == number
    assert len(names) == len(set(names)) and set(names) < {name for name, _ in backbone.named_parameters()}


def test_more_stages_than_there_are(workplace, capsys):
    assert "resnet10t has 4 stages" in refused(capsys, config_file("stages", network="resnet10t"), "freeze=5")


@pytest.mark.parametrize("freeze", [True, 2])
def test_what_is_frozen_stays_bit_for_bit_and_the_rest_moves(workplace, no_figures, freeze):
    folder = run_in_process("frozen", freeze=freeze, learning_rate=1e-2)
    after = checkpoint(folder)["network"]
    network = build(Architecture("test_resnet", 3, 16, 64, True, freeze=freeze), Normalise([0] * 3, [1] * 3), 0)
    initial = network.state_dict()
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert {name for name in trained if torch.equal(initial[name], after[name])} == set()
    assert all(torch.equal(initial[name], after[name]) for name, _ in network.named_parameters() if name not in trained)
    stage = {True: "head.", 2: ("head.", "backbone.layer3", "backbone.layer4")}[freeze]
    assert all(name.startswith(stage) for name in trained)


@pytest.mark.parametrize("freeze", [True, 2])
def test_statistics_of_frozen_batch_norms_do_not_move(freeze):
    network = of_four_bands("test_resnet", freeze=freeze)
    before = {name: value.clone() for name, value in network.named_buffers()}
    assert network.training  # a new network is, and nobody needs to say so
    network(tiles()).sum().backward()
    moved = {name for name, value in network.named_buffers() if not torch.equal(before[name], value)}
    if freeze is True:
        assert not moved
    else:
        assert moved and all(name.startswith(("backbone.layer3", "backbone.layer4")) for name in moved)
    assert network.head.training and not network.backbone.layer1.training
    assert all((p.grad is not None) == p.requires_grad for p in network.parameters())


def test_the_optimizer_has_only_what_is_trained(workplace, no_figures):
    state = checkpoint(run_in_process("optimizer", freeze=True))["optimizer"]
    assert len(state["param_groups"][0]["params"]) == 2


def test_the_verb_lists_networks(capsys):
    assert main.main(["networks"]) == 0
    told = capsys.readouterr().out
    for name in ("resnext50", "transformer", "convnext_tiny", "efficientnet_b0"):
        assert f"\n{name} " in told
    assert "27.8 M" in told and "networks '*'" in told
    assert main.main(["networks", "DeiT_tiny*", "no*such"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:5] for line in lines[1:]] == [
        ["deit_tiny_distilled_patch16_224", "5.5", "M", "224", "12"], ["deit_tiny_patch16_224", "5.5", "M", "224", "12"]
    ]  # fmt: skip
    assert main.main(["networks", "no*such"]) == 2


def test_a_pattern_lists_all_that_fit_it(capsys):
    assert main.main(["networks", "*_tiny*"]) == 0
    told = capsys.readouterr().out
    names = [line.split()[0] for line in told.splitlines()[1:]]
    assert names == [name for name in zoo.names() if "_tiny" in name]
    assert len(names) > 40 and "?" not in told


def test_a_network_that_cannot_be_built_is_an_error_of_the_user():
    with pytest.raises(UserError, match="a multiple of 8, such as 40"):
        of_four_bands("transformer", 33)

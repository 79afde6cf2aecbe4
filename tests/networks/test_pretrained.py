"""Weights from files: the forms they come in, what is adapted, what is refused; and timm's own from the hub."""

import argparse
import logging
import os
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from runs_for_tests import config_file, run_in_process, small_config
from test_zoo import checkpoint, refused

import main
from config import UserError
from networks import Architecture, Normalise, build, hub, weight_names
from networks.pretrained import adapt_bands, match

SAVERS = {
    "weights.safetensors": safetensors.torch.save_file, "weights.pth": torch.save, "weights.pt": torch.save,
    "weights.bin": torch.save,
}  # fmt: skip


@pytest.fixture(scope="module")
def resnet():
    """A network of timm with other weights than the seed 0 gives, its classifier included."""
    torch.manual_seed(7)
    network = timm.create_model("test_resnet", num_classes=10).eval()
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return network


def saved(tmp_path, content, name="weights.pth"):
    SAVERS[name](content, tmp_path / name)
    return str(tmp_path / name)


def with_prefix(prefix, network):
    return {prefix + name: value for name, value in network.state_dict().items()}


def filled(path, name="test_resnet", bands=3, size=32):
    return build(
        Architecture(name, bands, size, 8, True), Normalise([0.0] * bands, [1.0] * bands), 0, path
    ).backbone.eval()


def same(backbone, network):
    state = network.state_dict()
    return all(torch.equal(value, state[name]) for name, value in backbone.state_dict().items())


@pytest.mark.parametrize("name", SAVERS)
def test_weights_saved_by_timm_give_the_same_embeddings(tmp_path, resnet, name):
    backbone = filled(saved(tmp_path, resnet.state_dict(), name))
    tiles = torch.rand(3, 3, 32, 32)
    expected = resnet.forward_head(resnet.forward_features(tiles), pre_logits=True)
    assert torch.equal(backbone(tiles), expected)
    assert same(backbone, resnet)


@pytest.mark.parametrize(("nest", "prefix"), [
    (None, "module."), (None, "backbone."), (None, "encoder."), ("state_dict", "module.base_encoder."),
    ("state_dict", "module.encoder_q."), ("teacher", "backbone."), ("student", "module.backbone."), ("model", ""),
    ("state_dict", "model.backbone."), ("network", "backbone."), ("state_dict", "encoder_q."),
    (None, "module._orig_mod."), (None, "_orig_mod.module."), ("state_dict", "model._orig_mod.backbone.module."),
    ("student", "module.student.backbone.encoder."),
])  # fmt: skip
def test_names_of_the_module_that_held_the_network_are_taken_off(tmp_path, resnet, nest, prefix):
    tensors = with_prefix(prefix, resnet) | {"queue": torch.zeros(3), f"{prefix}head.9.weight": torch.zeros(2, 2)}
    content = {nest: tensors, "epoch": 99, "args": argparse.Namespace(lr=0.1)} if nest else tensors
    assert same(filled(saved(tmp_path, content)), resnet)


def test_the_teacher_is_taken_before_the_student(tmp_path, resnet):
    other = timm.create_model("test_resnet", num_classes=0)
    content = {"student": with_prefix("module.backbone.", other), "teacher": with_prefix("backbone.", resnet)}
    assert same(filled(saved(tmp_path, content)), resnet)


def test_numbered_keys_of_a_resnet_as_seco_has_them(tmp_path):
    torch.manual_seed(8)
    network = timm.create_model("resnet10t", num_classes=0, stem_type="", avg_down=False)
    places = {name: place for place, name in weight_names.RESNET_PLACES.items()}
    renamed = {}
    for name, value in network.state_dict().items():
        first, _, rest = name.partition(".")
        renamed[f"encoder_q.{places[first]}.{rest}"] = value
    found = match("file", {"state_dict": renamed | {"heads_q.0.0.weight": torch.zeros(2, 2)}}, network)
    assert set(found.loaded) == set(network.state_dict()) and not found.missing


@pytest.mark.parametrize(("before", "bands"), [(3, 4), (3, 1), (13, 4), (13, 3), (2, 3), (1, 3), (4, 1)])
def test_the_first_convolution_is_adapted_to_the_bands(tmp_path, caplog, before, bands):
    caplog.set_level(logging.INFO)
    network = timm.create_model("test_resnet", num_classes=0, in_chans=before)
    backbone = filled(saved(tmp_path, network.state_dict()), bands=bands)
    first = backbone.conv1[0].weight
    assert first.shape[1] == bands
    if before == 3:
        expected = timm.models.adapt_input_conv(bands, network.conv1[0].weight.detach())
        assert torch.equal(first, expected)
    else:  # a tile whose bands are all alike gives what it gave
        assert torch.allclose(first.sum(1), network.conv1[0].weight.sum(1), atol=1e-6)
    assert torch.equal(backbone.layer4[0].conv1.weight, network.layer4[0].conv1.weight)
    assert "adapted: conv1.0.weight" in caplog.text


def test_adapted_bands_keep_the_response_to_a_grey_tile():
    weight = torch.rand(5, 12, 3, 3)
    for bands in (1, 2, 20):
        assert torch.allclose(adapt_bands(weight, bands).sum(1), weight.sum(1), atol=1e-5)


def test_position_embeddings_of_another_size_are_resampled(tmp_path):
    options = {"num_classes": 0, "depth": 1}
    network = timm.create_model("vit_tiny_patch16_224", img_size=64, **options)
    target = timm.create_model("vit_tiny_patch16_224", img_size=96, **options)
    found = match("file", {"model": network.state_dict()}, target)
    assert not found.missing
    assert found.loaded["pos_embed"].shape == (1, 37, 192)
    assert torch.equal(found.loaded["pos_embed"][:, 0], network.pos_embed[:, 0])
    own = build(Architecture("transformer", 3, 32, 8, True), Normalise([0.0] * 3, [1.0] * 3), 1)
    larger = filled(saved(tmp_path, own.state_dict()), "transformer", size=48)  # an earlier run of this program
    assert torch.equal(larger.blocks[9].mlp.fc2.weight, own.backbone.blocks[9].mlp.fc2.weight)
    assert larger.pos_embed.shape[1] == 37


def test_the_report_says_what_fits_and_what_does_not(tmp_path, resnet, caplog):
    caplog.set_level(logging.INFO)
    state = {name: value for name, value in resnet.state_dict().items() if not name.startswith("layer4")}
    state["layer1.0.conv1.weight"] = torch.zeros(1, 2, 3, 3)
    filled(saved(tmp_path, state))
    told = caplog.text
    assert "tensors of the network loaded" in told
    assert "3 of 74 tensors of the file left over: layer1.0.conv1.weight, fc.weight, fc.bias" in told
    assert "not in the file: layer1.0.conv1.weight, layer4.0.conv1.weight" in told and "more" in told
    assert caplog.records[-1].levelno == logging.INFO


def test_a_file_that_has_little_is_warned_of(tmp_path, resnet, caplog):
    filled(saved(tmp_path, {"layer1.0.conv1.weight": resnet.layer1[0].conv1.weight.detach()}))
    assert caplog.records[-1].levelno == logging.WARNING


@pytest.mark.parametrize(
    ("in_file", "network", "told"),
    [
        ("resnet34", "resnet18", "80 of 180 tensors of the file left over"),
        ("resnet18", "resnet34", "the network has more blocks than the file"),
        ("resnet18", "resnet18", None),
    ],
)
def test_weights_of_another_depth_are_warned_of(in_file, network, told):
    """All tensors of the smaller network are in the larger one."""
    file, backbone = (timm.create_model(name, num_classes=0) for name in (in_file, network))
    state = {name: value for name, value in file.state_dict().items() if "num_batches" not in name}
    found = match("file", state, backbone)
    assert bool(found.doubt()) == bool(told)
    assert told is None or told in found.describe()


def test_heads_and_decoders_beside_a_network_are_no_doubt(resnet):
    beside = {f"decoder.{i}.weight": torch.zeros(2) for i in range(30)} | {"queue": torch.zeros(2)}
    assert not match("file", dict(resnet.state_dict()) | beside, resnet).doubt()
    many = {f"decoder.{i}.weight": torch.zeros(2) for i in range(300)}
    assert "less than 50% of the file" in match("file", dict(resnet.state_dict()) | many, resnet).describe()


class Trap:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


def damaged(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_a_cut_file_is_refused(tmp_path, resnet, name):
    path = saved(tmp_path, resnet.state_dict(), name)
    cut(tmp_path / name)
    with pytest.raises(UserError, match="damaged, or not a file of weights") as told:
        filled(path)
    assert "\n" not in str(told.value)


def test_a_file_with_wrong_bytes_is_refused(tmp_path, resnet):
    path = saved(tmp_path, resnet.state_dict())
    damaged(tmp_path / "weights.pth")
    with pytest.raises(UserError, match="damaged"):
        filled(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_object_is_refused_and_not_run(tmp_path, monkeypatch, resnet, zipped):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": resnet.state_dict(), "more": Trap()}, "weights.pth",
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    with pytest.raises(UserError, match="refused" if zipped else "weights.pth: ") as told:
        filled("weights.pth")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_file_of_weights_is_one_line_before_the_maps_are_opened(tmp_path, workplace, capsys):
    path = config_file("files", maps={"image": "no-map.tif", "labels": {"fields": "no-map.tif"}})
    Path("no-map.tif").write_text("opened, it would be what is told")
    nothing = saved(tmp_path, {"other.weight": torch.zeros(2)})
    nan = saved(tmp_path, {"layer1.0.conv1.weight": torch.full((32, 32, 3, 3), torch.nan)}, "weights.pt")
    plain = saved(tmp_path, torch.zeros(3), "weights.bin")
    cases = {
        "none.pth": "no such file", "weights.npz": "path of a .safetensors",
        nothing: "none of its tensors fits the network",
        nan: "finite", plain: "must hold a dict of tensors by name",
        "a\0.pth": "a", str(tmp_path): "path of a .safetensors",
    }  # fmt: skip
    for file, told in cases.items():
        assert told in refused(capsys, path, f"pretrained={file}")


def test_a_run_with_frozen_weights_of_a_file_is_resumed_without_the_file(tmp_path, workplace, no_figures, resnet):
    path = saved(tmp_path, resnet.state_dict())
    folder = run_in_process("weights", pretrained=path, freeze=True)
    (tmp_path / "weights.pth").unlink()
    assert main.main(["resume", str(folder), "epochs=2"]) == 0
    end = checkpoint(folder)
    backbone = {name.removeprefix("backbone."): value for name, value in end["network"].items() if "backbone" in name}
    assert end["step"] == 4 and len(backbone) > 30
    assert all(torch.equal(value, resnet.state_dict()[name]) for name, value in backbone.items())
    whole = saved(tmp_path, resnet.state_dict())
    other = run_in_process("weights", pretrained=whole, freeze=True, epochs=2)
    assert torch.equal(checkpoint(other)["network"]["head.weight"], end["network"]["head.weight"])


def test_freeze_cannot_change_when_a_run_is_resumed(workplace, no_figures, capsys):
    folder = run_in_process("thaw", freeze=True)
    assert main.main(["resume", str(folder), "epochs=2", "freeze=1"]) == 2
    assert "'freeze' is 1, and was True" in capsys.readouterr().err


def test_weights_of_timm_are_adapted_by_timm(monkeypatch, resnet):
    monkeypatch.setattr(hub, "check_weights", lambda name: None)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: dict(resnet.state_dict()))
    monkeypatch.setitem(resnet.pretrained_cfg, "num_classes", 10)
    backbone = filled(True, bands=4)
    assert torch.equal(backbone.layer4[0].conv1.weight, resnet.layer4[0].conv1.weight)
    assert torch.equal(backbone.conv1[0].weight, timm.models.adapt_input_conv(4, resnet.conv1[0].weight.detach()))


def test_an_unreachable_hub_is_one_line_that_says_how_to_bring_the_file(workplace, capsys, monkeypatch):
    asked = []

    def unreachable(url, timeout):
        asked.append((url, timeout))
        raise OSError("[Errno -2] Name or service not known")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    told = refused(capsys, config_file("hub", pretrained=True))
    assert "huggingface.co/timm/test_resnet.r160_in1k/tree/main" in told and "pretrained=PATH" in told
    assert len(asked) == 1 and asked[0][1] <= 10
    own = small_config(network="transformer")["network"]
    assert "timm has no weights for transformer" in refused(capsys, config_file("own", pretrained=True, network=own))

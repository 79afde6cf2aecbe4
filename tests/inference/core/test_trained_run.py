"""A run's network that is opened: which one it is, also beside a training, and whether it is trained."""

import hashlib
import os
import shutil

import pytest
import torch
from inference_for_tests import link_maps, write_run

from inference.core import trained_run
from inference.core.trained_run import open_trained

MAPS = {"image": "image.tif", "labels": {"fields": "labels.tif"}}


@pytest.fixture
def folder(map_folder, tmp_path, monkeypatch):
    """The folder of a run that is not trained, in the working folder."""
    link_maps(map_folder, tmp_path)
    monkeypatch.chdir(tmp_path)
    return write_run(MAPS)[0]


def save_after_step(path, source, step):
    """Write the checkpoint of a later step, with other weights."""
    checkpoint = torch.load(source, weights_only=True)
    network = {name: value + 1 if value.is_floating_point() else value for name, value in checkpoint["network"].items()}
    torch.save(checkpoint | {"network": network, "step": step}, path)


def test_the_digest_is_that_of_the_weights_where_a_training_replaces_them(folder, monkeypatch):
    best, later = folder / "best.pt", folder / "later.pt"
    shutil.copy(best, folder / "before.pt")
    save_after_step(later, best, 40)
    make = trained_run.network_of

    def replaced_meanwhile(*arguments):
        os.replace(later, best)
        return make(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trained_run, "network_of", replaced_meanwhile)
        run = open_trained(folder)
    before = open_trained(folder / "before.pt")
    assert run.step == before.step == 0
    assert run.digest == before.digest == hashlib.sha256((folder / "before.pt").read_bytes()).hexdigest()
    own, expected = run.network.state_dict(), before.network.state_dict()
    assert all(torch.equal(own[name], expected[name]) for name in expected)
    assert open_trained(folder).digest == hashlib.sha256(best.read_bytes()).hexdigest() != run.digest


def test_an_untrained_network_is_called_so(folder, caplog):
    best, last = folder / "best.pt", folder / "last.pt"
    open_trained(best)
    assert caplog.messages == [
        f"{best}: the network of step 0, which is untrained: no network that was evaluated later is better"
    ]
    caplog.clear()
    save_after_step(last, best, 20)
    open_trained(folder)
    assert caplog.messages[0].endswith(f"is better. {last} is that of the last step")
    caplog.clear()
    assert open_trained(last).step == 20 and not caplog.messages

"""When the state of a training is saved, and what must be on the disk before."""

from types import SimpleNamespace

from training.saving import Saver


def test_what_is_shown_is_on_the_disk_before_a_checkpoint_holds_its_step():
    done = []
    state = SimpleNamespace(is_finite=True, steps_done=3, state_dict=dict)
    pending = SimpleNamespace(log=lambda: done.append("steps"), restart_clock=lambda: None)
    checkpoints = SimpleNamespace(write=lambda content: done.append("checkpoint"))
    Saver(state, pending, checkpoints, lambda: done.append("disk"), None).save()
    assert done == ["steps", "disk", "checkpoint"]

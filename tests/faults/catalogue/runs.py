"""Faults in the config, in a run's folder and checkpoints, in how it executes, and in the files at the top."""

from fault import Fault

CONFIG = (
    Fault(
        "interval-may-be-turned-round", "config", ("Interval.allows",),
        ((" and ends[0] <= ends[-1]", ""), ("[0] <= ", "[0] != ")),
        "missing condition", "A range of distances whose lower end is above its upper one is accepted.",
        ("test_config.py", "test_library_keys.py", "test_library_mining.py"),
    ),
    Fault(
        "rectangle-without-height", "config", ("_map_contradictions",),
        (("and south < north and", "and south <= north and"),),
        "boundary", "A rectangle whose south is its north is accepted.",
        ("test_config.py", "test_contradictions.py", "test_map_keys.py"),
    ),
    Fault(
        "override-split-at-its-last-sign", "config", ("apply_override", "_override"),
        (('partition("=")', 'rpartition("=")'),),
        "wrong end", "An override whose value holds an equals sign is split there.",
        ("test_config.py", "test_reading.py", "test_fuzz_config.py"),
    ),
    Fault(
        "number-of-tiles-is-forgotten", "config", ("Config.to_json",),
        (('{"validation_nb"} - self.model_fields_set', '{"validation_nb"}'),),
        "stale state on resume", "A resumed run scores the default number of tiles, not the one asked for.",
        ("test_config.py", "test_keys.py"),
    ),
)  # fmt: skip

RUNS = (
    Fault(
        "checksums-are-not-looked-at", "training/runs", ("_content",),
        ((".testzip() is not None", ".testzip() is False"),),
        "missing check", "A checkpoint with a damaged byte is loaded.",
        ("test_resuming_refused.py", "test_checkpoint.py"),
    ),
    Fault(
        "copy-changes-with-the-network", "training/runs", ("copied", "cloned_state"),
        ((".detach().clone()", ".detach()"),),
        "aliasing", "Training goes on from the weights of an earlier network that was evaluated in between.",
        ("test_resuming.py", "test_resuming_evaluations.py", "test_checkpoint.py", "test_snapshots.py"),
    ),
    Fault(
        "complete-before-the-last-evaluation", "training/runs", ("Run.is_complete",),
        (
            (' and self.checkpoint["evaluating"] is None', ""), (' and not self.checkpoint["evaluating"]', ""),
            (' or self.checkpoint["evaluating"]', ""),
        ),
        "missing condition", "A run that was killed in its last evaluation counts as complete, and never has it.",
        ("test_resuming.py", "test_resuming_evaluations.py"),
    ),
    Fault(
        "another-part-of-the-map", "training/runs", ("check_maps",),
        (
            ('("bytes", "crs", "window")', '("bytes", "crs")'), (', "window")', ")"),
            ("if key in before and not", 'if key in before and key != "window" and not'),
        ),
        "missing check", "A run is resumed on another part of its map.",
        ("test_checkpoint.py", "test_resuming_elsewhere.py"),
    ),
)  # fmt: skip

EXECUTION = (
    Fault(
        "trial-steps-leave-their-trace", "training/execution", ("_fastest", "time_ways"),
        (("network.load_state_dict(state)", "pass"), ("copy.deepcopy(network)", "network")),
        "state not restored", "Batch norm has counted the tiles that the machine was measured with.",
        ("test_execution.py", "test_precision.py", "test_device.py", "test_trials.py"),
    ),
    Fault(
        "look-at-strides-ends-in-evaluation-mode", "training/execution", ("strides_beyond_map",),
        (("network.train(training)", "pass"),),
        "state not restored", "The network is in evaluation mode after its strides were looked at.",
        ("test_execution.py", "test_precision.py", "test_device.py"),
    ),
    Fault(
        "one-gpu-more-than-there-is", "training/execution", ("resolve_device", "_named_device"),
        ((">= torch.cuda.device_count()", "> torch.cuda.device_count()"),),
        "off by one", "A GPU whose number is that of the GPUs is taken to be there.",
        ("test_execution.py", "test_device.py"),
    ),
    Fault(
        "replays-share-their-result", "training/execution", ("RecordedPass.__call__", "GraphedForward.__call__"),
        ((".clone()", ""),),
        "aliasing", "The embeddings of a batch change as the next one is replayed.",
        ("test_recorded.py", "test_cuda_graphs.py"),
    ),
)  # fmt: skip

AT_THE_TOP = (
    Fault(
        "file-is-copied-into-place", "storage", ("whole_file", "atomic_write"),
        (("os.replace(temporary, path)", "shutil.copyfile(temporary, path)"),),
        "not renamed atomically", "A file that is replaced is half written for a moment.",
        ("test_storage.py", "test_full_disk.py", "test_kill.py"),
    ),
    Fault(
        "folder-is-renamed-before-its-files-are-synced", "storage", ("rename_folder",),
        (("sync(path)", "pass"),),
        "unsynced file", "After a power failure a folder may have its name and empty files.",
        ("test_storage.py", "test_full_disk.py", "test_kill.py"),
    ),
    Fault(
        "two-processes-hold-one-lock", "storage", ("Lock.on", "Lock.acquire"),
        (("fcntl.LOCK_EX", "fcntl.LOCK_SH"),),
        "wrong flag", "Two processes can make the same run at the same time.",
        ("test_storage.py", "test_training.py", "test_folder.py", "test_resuming_refused.py"),
    ),
    Fault(
        "scores-of-an-unfinished-evaluation-stay", "assembly", ("make_reporter",),
        (("run.step, run.scored_step", "run.step, run.step"),),
        "stale state on resume", "A resumed run shows the scores twice whose evaluation was interrupted.",
        ("test_resuming.py", "test_resuming_evaluations.py"),
    ),
)  # fmt: skip

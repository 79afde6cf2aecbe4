"""TensorBoard: the event files of a run, its row in the table of runs, and their repair after an interruption."""

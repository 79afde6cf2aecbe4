"""A grid of runs: configs x maps x seeds, each run once, and the tables of all their scores."""

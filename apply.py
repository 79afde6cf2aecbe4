"""Applies a trained network to whole maps: what the verbs embed, classify and search do."""

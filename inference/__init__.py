"""A trained network on whole maps: `embed` computes the embedding of every tile, `classify` and `search` use them."""

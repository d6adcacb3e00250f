"""One sweep of ours compared with those of other programs for the same fleet."""

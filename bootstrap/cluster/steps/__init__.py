"""The steps of `up`, `plan` and `down`, each a class that fits `step.Step`; `cluster.building` orders them."""

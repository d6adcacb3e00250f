"""Whether a cluster works: facts, what is wrong by them (`doctor`), and the overview (`status`). Changes nothing."""

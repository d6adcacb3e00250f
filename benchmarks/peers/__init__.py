"""One sweep of ours beside what others do for the same fleet."""

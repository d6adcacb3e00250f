"""The authenticators that are chosen by name, with the options that each may be given."""

"""A slide through a network to files."""

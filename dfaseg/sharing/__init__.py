"""Many slides divided among jobs that share a folder of results."""

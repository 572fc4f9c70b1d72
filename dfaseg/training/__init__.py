"""Learning a network from annotated images."""

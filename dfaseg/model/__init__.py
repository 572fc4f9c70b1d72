"""The Dynamic Focal Attention network and its file."""

"""What a GPU does besides the network: shrink, cut, and label; only classes come back."""

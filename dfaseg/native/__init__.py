"""What NumPy and OpenCV cannot do fast enough, in C: see docs/design/0027."""

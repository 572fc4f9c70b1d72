"""Tissue that never lived: the glands, stroma and stains of which the sample slide is drawn."""

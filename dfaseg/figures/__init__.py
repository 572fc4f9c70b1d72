"""What figures have in common: style, places of labels, panels of cases; loads matplotlib."""

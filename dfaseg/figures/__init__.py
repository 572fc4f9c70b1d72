"""What figures have in common: style, places of labels, panels of cases, letters of names.

All but the last load matplotlib.
"""

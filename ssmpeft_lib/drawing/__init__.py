"""Charts as SVG: scales, axes, labels that keep out of each other's way, and numbers in words."""

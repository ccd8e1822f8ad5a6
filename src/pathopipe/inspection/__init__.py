"""What stages look at to decide whether an image can be measured: colors, background, scale."""

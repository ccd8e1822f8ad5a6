"""What stages look at to tell whether an image can be measured: colors, background, scale."""

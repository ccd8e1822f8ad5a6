"""What is measured of each nucleus: the dictionary of measures, a module per group of them."""

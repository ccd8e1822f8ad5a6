"""Which tissue can be trusted: measures of bins of 4 µm and what surrounds them, and the map made of them."""

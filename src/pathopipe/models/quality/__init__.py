"""The network that says what is wrong with a piece of tissue, from measures of it and its surroundings."""

"""Models that say what a nucleus is: a dense network that describes each place, and a linear rule on what it says."""

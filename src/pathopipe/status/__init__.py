"""What is done, what it will take, and whether it is still as it was written."""

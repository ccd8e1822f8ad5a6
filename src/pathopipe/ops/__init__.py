"""Pure functions: arrays and tables in, arrays and tables out, no files."""

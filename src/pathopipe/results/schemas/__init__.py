"""The columns of all Parquet tables of the results: type, unit and meaning of each, a module per table."""

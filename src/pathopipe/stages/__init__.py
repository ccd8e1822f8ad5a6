"""One module per stage; stages meet only through artifacts."""

"""How the work of a stage is done: job, journal, leftovers, threads, progress, ownership."""

"""How Snakemake is run, at home and on clusters, and what of it is patched."""

"""How well models find nuclei: metrics, perturbations, tables of scores."""

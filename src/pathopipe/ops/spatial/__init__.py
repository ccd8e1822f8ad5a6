"""How nuclei lie to each other: points, their types and their measures in; numbers out."""

"""The viewer of a slide's page: pixels, nuclei and layers, packed so that a browser reads them from one file."""

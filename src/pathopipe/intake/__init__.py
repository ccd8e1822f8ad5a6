"""From a folder of slides to a sample sheet: finding them, naming them, writing the sheet."""

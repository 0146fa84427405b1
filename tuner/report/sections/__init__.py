"""The parts of a page, each a function from the material to a section, or to None where there is nothing to tell."""

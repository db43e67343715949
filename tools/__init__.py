"""Tools of the project's makers; not shipped."""

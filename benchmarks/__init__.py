"""How fast the harness, the live NeMo Gym and the work on large files are: ``nox -s bench``."""

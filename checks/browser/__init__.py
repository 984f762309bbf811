"""Opens the built site in a real browser. ``nox -s browser`` runs these tests, ``nox -s tests`` leaves them out."""

"""Scores the built site for assistants that read it: ``python -m checks.assistants docs/_build/html ADDRESS``.

afdocs, a program of npm, asks the site as a coding assistant does, and counts what stands in its way. The site is
served to this machine at the address that it was built for. The score is printed; a check that fails, fails.
"""

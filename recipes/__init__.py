"""Recipes: from a small chat model to a better one, measured; ``nox -s recipes -- code --seed 0``.

One module for each step, and no step looks back:

``live``      the live NeMo Gym and the model server, started for as long as a stage needs them
``stages``    a stage runs once: what it cost is kept beside what it left, and a killed run goes on after it
``arms``      the stages of a recipe: tasks, rollouts, SFT, GRPO, measurements
``code``      what sets the recipe on code apart: its resources server, its tasks, its numbers
``results``   what a run measured, as a file that nobody can change unseen; which of them the page shows as stale
``summary``   means and intervals over tasks and seeds, by the site's own tool

What readers run too is in ``docs/downloads``: ``code_tasks.py``, ``small_model.py`` and ``gym_trl.py``. The torch in
these runs in the environment `trl`, NeMo Gym and everything here in that of the tests.
"""

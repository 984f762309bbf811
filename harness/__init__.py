"""The documentation test harness: page -> block -> evaluator -> verdict -> ledger.

One module for each step, and no step looks back:

``blocks``        finds every rendered code block of a page, with the parser that renders it
``pages``         a page: its text, front matter, blocks and downloads
``environments``  what pages and consumers run in: a Python, a lock, and the versions that a page's foot names
``session``       one run of one page: its directory, Python process, shells and servers
``evaluators``    one entry for each language: judges a block in a session
``consumers``     one entry for each program that reads a configuration or data file
``run``           follows a page from its top: each block in order, and what can be said only at its end
``verdict``       what a block came to: executed, validated, shown, or a failure that says how to mend it
``ledger``        what the tests found, as one file that the site displays

``plugin`` joins them to pytest through Sybil. What they lean on: ``expected`` compares outputs, ``console`` finds the
commands of a block, ``shell`` and ``python_worker`` run them, ``installs`` judges install lines, ``beside`` runs a
consumer in its own environment, ``isolation`` keeps a page on this machine and ``apart`` from other pages, ``live`` is
NeMo Gym ready to run, ``doctree`` holds a page against what Sphinx renders, ``cache`` keeps pages that passed,
``imports`` says what such a verdict depends on, ``update`` rewrites a page.

``verbatim`` follows pages as their reader does, with nothing of this beside them.
"""

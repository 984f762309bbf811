"""The documentation test harness: page -> block -> evaluator -> verdict -> ledger.

One module for each step, and no step looks back:

``blocks``      finds every rendered code block of a page, with the parser that renders it
``pages``       a page: its text, front matter, blocks and downloads
``session``     one run of one page: its directory, Python process, shells and servers
``evaluators``  one entry for each language: judges a block in a session
``consumers``   one entry for each program that reads a configuration or data file
``verdict``     what a block came to: executed, validated, shown, or a failure that says how to mend it
``ledger``      what the tests found, as one file that the site displays

``plugin`` joins them to pytest through Sybil.
"""

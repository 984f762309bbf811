"""What pages say where nothing runs: each name in prose and tables is looked up.

`look` reads a page's passages and judges them, `names` knows what exists, and `releases` holds claims about releases
against the published wheels. What exists is data below ``docs/_data``, which ``pinned`` writes.
"""

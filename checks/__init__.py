"""Judges the site as it is built: its links (``links``), and what a browser makes of it (``browser``)."""

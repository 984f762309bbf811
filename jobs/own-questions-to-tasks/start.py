"""A table in the encoding and with the separator of an older spreadsheet program; two rows have no answer."""

from pathlib import Path

LINES = ["Nr;Frage;Lösung;Stufe"]
LINES += [f"{n};Wie groß wäre {n} + {n + 3}?;{2 * n + 3};{'leicht' if n < 6 else 'schwer'}" for n in range(1, 13)]
LINES += ["13;Wie heißt diese Schule?;;leicht", "14;Für wen gilt das?;;schwer"]
Path("quiz.csv").write_bytes(("\r\n".join(LINES) + "\r\n").encode("cp1252"))

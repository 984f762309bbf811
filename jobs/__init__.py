"""Jobs of readers as tests: a folder to start in, a question, and a program that says whether the answer is right.

Each folder here is a job:

=================  ===================================================================================
``question.txt``   what a reader asks, and which files the answer has
``start.py``       writes the files that the reader has, into the folder that it runs in
``check.py``       ends with 0 if the answer in its folder is right, or says what is wrong with it
``reference.sh``   a right answer, by the commands of the pages that its first line names
``wrong.sh``       an answer that looks right and is not; `check.py` must see that
=================  ===================================================================================

``nox -s jobs`` tries the reference solutions. ``nox -s jobs -- COMMAND`` gives each question to a program, such as an
assistant, which finds the built site at ``$SITE``.
"""

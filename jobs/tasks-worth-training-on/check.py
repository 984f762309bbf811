"""The tasks whose rate is from 20% to 80%, of the attempts that count."""

from jobs.sample import must, read

tasks = read("tasks.jsonl")
chosen = read("rl.jsonl")
must(all(row in tasks for row in chosen), "a row of rl.jsonl is no row of tasks.jsonl")
numbers = sorted(tasks.index(row) for row in chosen)
must(
    numbers == [1, 2, 3, 4, 5, 6, 7, 11],
    f"the tasks, from 0, are {numbers}, not those solved in 20% to 80% of what counts",
)

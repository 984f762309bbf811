"""Thirty questions, of which four are asked by the evaluation: as they are, in capitals, quoted, and after others."""

from random import Random

from jobs.sample import rollout, write

draw = Random(5)
THINGS = ["apples", "bricks", "coins", "drums", "eggs", "flags", "gates", "hats", "ink pots", "jars"]
PLACES = ["market", "harbor", "school"]


def question(number: int) -> str:
    """A question that is like no other."""
    thing, place = THINGS[number % 10], PLACES[number // 10]
    return (
        f"A merchant at the {place} counts {number + 12} {thing} in the morning, sells {number + 3} of them by noon "
        f"and buys {2 * number + 5} more in the evening. How many {thing} does the merchant at the {place} have now?"
    )


ASKED = {
    2: question(2),
    11: question(11).upper(),
    18: f'My teacher asked me this: "{question(18)}" Please help me with it, step by step.',
    25: "You solve problems. First think, then answer.\n\n" + question(25).replace(" ", "  "),
}
rows = [
    rollout(draw, n, 0, ASKED.get(n, question(n)), f"The merchant has {n + 12 - n - 3 + 2 * n + 5} of them.", 1.0)
    for n in range(30)
]
write("rollouts.jsonl", rows)
write(
    "evaluation.jsonl",
    [{"responses_create_params": {"input": [{"role": "user", "content": question(n)}]}} for n in ASKED],
)

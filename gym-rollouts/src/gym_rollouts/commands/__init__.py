"""The commands: a name, and the module whose function of that name it is. The function is what Python calls, too."""

#: One entry for each command, in the order of `--help`.
COMMANDS = {
    "tasks": "gym_rollouts.commands.tasks",
    "check": "gym_rollouts.commands.check",
    "watch": "gym_rollouts.commands.watch",
    "show": "gym_rollouts.commands.show",
    "scan": "gym_rollouts.commands.scan",
    "filter": "gym_rollouts.commands.filter",
    "metrics": "gym_rollouts.commands.metrics",
    "compare": "gym_rollouts.commands.compare",
    "balance": "gym_rollouts.commands.balance",
    "split": "gym_rollouts.commands.split",
    "prepare": "gym_rollouts.commands.prepare",
    "export": "gym_rollouts.commands.export",
}

"""The commands: a name, and the module whose function of that name it is. The function is what Python calls, too."""

#: One entry for each command, in the order of `--help`.
COMMANDS = {
    "filter": "gym_rollouts.commands.filter",
    "prepare": "gym_rollouts.commands.prepare",
}

"""`python -m gym_rollouts` is the command `gym-rollouts`."""

from gym_rollouts.cli import main

if __name__ == "__main__":
    main()

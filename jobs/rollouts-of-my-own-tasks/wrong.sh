# One rollout of each task, copied twice.
. "$(dirname "$0")/reference.sh"
head -n 8 rollouts.jsonl > one.jsonl
cat one.jsonl one.jsonl one.jsonl > rollouts.jsonl

# Masked attempts count as failures.
sed 's/, "mask_sample": true//' rollouts.jsonl > all.jsonl
gym-rollouts filter all.jsonl --for rl --low 0.2 --high 0.8 --kept kept.jsonl
gym-rollouts prepare kept.jsonl --rl rl.jsonl --tasks tasks.jsonl

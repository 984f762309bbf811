# The raw text is searched, in which an escape hides a token.
sed -E 's/(sk-proj-|ghp_)[A-Za-z0-9]+/REMOVED/g; s/[a-z.]+@[a-z.-]+/REMOVED/g' rollouts.jsonl > clean.jsonl
grep -n -E 'sk-proj-|ghp_|@' rollouts.jsonl | cut -d : -f 1 > lines.txt

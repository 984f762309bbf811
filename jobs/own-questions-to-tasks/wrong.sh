# The wrong encoding gives other letters.
gym-rollouts tasks quiz.csv --encoding cp437 --server math_with_judge --map question=Frage --map expected_answer=4 \
    --output tasks.jsonl || true
iconv -f cp437 -t utf-8 quiz.csv | python3 -c "
import csv, json, sys
for row in list(csv.reader(sys.stdin, delimiter=';'))[1:13]:
    print(json.dumps({'responses_create_params': {'input': [{'role': 'user', 'content': row[1]}]}, 'expected_answer': row[2]}))
" > tasks.jsonl

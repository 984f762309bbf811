# get-started/bring-your-data
gym-rollouts tasks quiz.csv --encoding cp1252 --server math_with_judge --template '{Frage}' \
    --map question=Frage --map expected_answer=Lösung --output tasks.jsonl

# get-started/collecting-rollouts get-started/running-example
python practice_model.py serve --port 8123 --script answers.jsonl --skill 0.6 > model.log 2>&1 &
trap 'kill $(jobs -p) 2> /dev/null' EXIT
gym eval run --resources-server mcqa --model-type vllm_model --model-url http://127.0.0.1:8123/v1 \
    --model-api-key none --model practice +head_server.port=11123 \
    --input tasks.jsonl --output rollouts.jsonl --num-repeats 3 --temperature 1.0

"""Ask a resources server of a running NeMo Gym what reward it gives to an answer that you make up.

    from verify import called, said, verify

    verdict = verify("mcqa", row, said(r"The answer is \\boxed{B}."))
    print(verdict["reward"])

Needs Python 3.11 or newer, the command `gym`, and an environment started with `gym env start`. Where that was started
with `+head_server.port=11001`, set HEAD_SERVER_PORT=11001 before you run this.
"""

import json
import os
import subprocess
from functools import cache
from typing import Any

import requests

Item = dict[str, Any]


def said(text: str) -> Item:
    """An output item in which the model says `text`."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}


def called(name: str, **arguments: Any) -> Item:
    """An output item in which the model calls the tool `name`."""
    return {"type": "function_call", "call_id": "call_1", "name": name, "arguments": json.dumps(arguments)}


@cache
def addresses() -> dict[str, str]:
    """The URL of every server of the running environment, by its name in the configuration."""
    port = os.environ.get("HEAD_SERVER_PORT")
    command = ["gym", "env", "status", "--json", *([f"+head_server.port={port}"] if port else [])]
    listed = subprocess.run(command, check=True, capture_output=True, text=True)
    return {server["process_name"]: server["url"] for server in json.loads(listed.stdout.splitlines()[-1])}


def reason(answer: requests.Response) -> str:
    """Why a server refused a request: the fields that it complains of, or its whole answer."""
    if answer.status_code != 422:
        return answer.text
    return "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in answer.json()["detail"])


def verify(server: str, row: dict[str, Any], *output: Item, run_tools: bool = False) -> dict[str, Any]:
    """The verdict on a rollout whose model output is `output`.

    Like an agent, it seeds a session with the task row, then lets the server verify in that session.

    Args:
        server: the resources server's name in the configuration.
        row: the task as its dataset gives it.
        output: the items that the model produced, in order.
        run_tools: run each tool call on the server too, and put what it returns after the call.

    Returns:
        The body of the server's answer: `reward`, `mask_sample`, and the fields that are the server's own.

    Raises:
        requests.HTTPError: the server refused the row or the answer; the message holds its reason.
    """
    with requests.Session() as session:

        def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = session.post(f"{addresses()[server]}/{path}", json=body)
            if not answer.ok:
                raise requests.HTTPError(f"{server}/{path} {answer.status_code}: {reason(answer)}")
            return answer.json()

        post("seed_session", row)
        items = []
        for item in output:
            items.append(item)
            if run_tools and item["type"] == "function_call":
                result = json.dumps(post(item["name"], json.loads(item["arguments"])))
                items.append({"type": "function_call_output", "call_id": item["call_id"], "output": result})
        response = {
            "id": "resp_1",
            "object": "response",
            "created_at": 0,
            "model": "made-up",
            "output": items,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }
        return post("verify", row | {"response": response})

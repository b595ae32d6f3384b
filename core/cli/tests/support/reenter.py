"""A program behind `hubless serve` that knows nothing of the mesh but a listener of it: it asks
the agent `spender` there on behalf of its calls, and answers what it got."""

import http.client
import json
import sys

ADDRESS = sys.argv[1]


def ask(amount, code):
    """Status of one request, and the code of its error."""
    headers = {"content-type": "application/json"}
    if code:
        headers["hubless-redeem"] = code
    connection = http.client.HTTPConnection(ADDRESS, timeout=60)
    body = json.dumps({"content": {"value": amount}})
    connection.request("POST", "/v1/agents/spender/requests", body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return [response.status, answer.get("kind", ""), answer.get("code", "")]


def made_up(code):
    """The same code with another secret: one that nobody was given."""
    middle = len(code) // 2
    other = "A" if code[middle] != "A" else "B"
    return code[:middle] + other + code[middle + 1 :]


def run(words, code):
    if words[0] == "code":
        return code or "none"
    amount = int(words[1])
    if words[0] == "once":
        return [ask(amount, code)]
    if words[0] == "twice":
        return [ask(amount, code), ask(amount, code)]
    if words[0] == "made-up":
        return [ask(amount, made_up(code)), ask(amount, "hbr_")]
    if words[0] == "without":
        return [ask(amount, None)]
    raise ValueError(words)


for line in sys.stdin:
    message = json.loads(line)
    if "request" not in message:
        continue
    request = message["request"]
    words = request["content"]["parts"][0]["text"].split()
    data = run(words, request.get("metadata", {}).get("hubless.redeem"))
    answer = {"final": {"content": {"parts": [{"data": data}]}}}
    print(json.dumps({"id": request["id"], "event": answer}), flush=True)

import json
import sys

for line in sys.stdin:
    message = json.loads(line)
    if "request" in message:
        request = message["request"]
        text = request["content"]["parts"][0]["text"]
        answer = {"final": {"content": {"parts": [{"text": text.upper()}]}}}
        print(json.dumps({"id": request["id"], "event": answer}), flush=True)

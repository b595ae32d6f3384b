"""A program behind `hubless serve` that does what its calls say: the first text of each is a
command with its arguments."""

import json
import os
import resource
import subprocess
import sys
import time

held = {}
answers = {}
given_up = []
pairs = []


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def event(call, **kind):
    say({"id": call, "event": kind})


def final(call, *parts):
    event(call, final={"content": {"parts": list(parts)}})


def descriptors():
    """Open files beside stdin, stdout and stderr."""
    found = []
    for number in range(3, 1024):
        try:
            os.fstat(number)
            found.append(number)
        except OSError:
            pass
    return found


def pair(call):
    """Answers two calls once both are here, the later one first."""
    pairs.append(call)
    if len(pairs) == 2:
        for number in (1, 0):
            final(pairs[number], {"text": f"call {number}"})
        pairs.clear()


def ask(call, command, words):
    held[call] = command
    answers[call] = []
    if command == "tool":
        numbers = {"a": int(words[0]), "b": int(words[1])}
        event(call, toolCall={"id": 7, "name": words[2], "arguments": numbers})
        event(call, progress={"note": "asked"})
    elif command == "tool-twice":
        for _ in range(2):
            event(call, toolCall={"id": 7, "name": "count", "arguments": {}})
    else:
        prompt = {"parts": [{"text": "which?"}]}
        event(call, inputRequired={"id": 9, "prompt": prompt, "schema": {"type": "string"}})


def answered(call, answer):
    answers[call].append(answer)
    if held[call] != "tool-twice":
        final(call, {"data": answer})
    elif len(answers[call]) == 2:
        final(call, {"data": answers[call]})
    else:
        return
    del held[call]


def misbehave(call, command, words):
    if command == "exit":
        os._exit(int(words[0]))
    if command == "noise":
        for _ in range(int(words[0])):
            print("INFO starting up", flush=True)
    if command == "long":
        print("x" * int(words[0]), flush=True)
    if command == "latin":
        sys.stdout.buffer.write(b'{"id": "\xff", "event": {}}\n')
        sys.stdout.buffer.flush()
    if command == "flood":
        for number in range(int(words[0])):
            sys.stderr.write(f"line {number} {'y' * int(words[1])}\n")
        sys.stderr.write("the end of the flood\n")
        sys.stderr.flush()
    if command == "broken":
        return say({"id": call, "event": 3})
    if command == "deaf":
        event(call, progress={"note": "deaf"})
        time.sleep(1_000)
    final(call, {"text": "still here"})


def answer(call, request):
    parts = request["content"].get("parts", [])
    command, *words = parts[0].get("text", "echo").split() if parts else ["echo"]
    if command == "echo":
        final(call, *parts)
    elif command == "chunks":
        for number in range(int(words[0])):
            event(call, chunk={"part": {"text": f"{number} "}, "append": number > 0})
        event(call, final={"usage": {"inputTokens": 3}})
    elif command == "steps":
        event(call, progress={"note": "half", "fraction": 0.5})
        event(call, progress={"note": "later"})
        final(call, {"text": "done"})
    elif command == "environment":
        final(call, {"data": dict(os.environ)})
    elif command == "process":
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        about = {"pid": os.getpid(), "group": os.getpgid(0), "mostFiles": most}
        final(call, {"data": {**about, "files": descriptors()}})
    elif command == "spawn":
        final(call, {"data": subprocess.Popen(["sleep", "1000"]).pid})
    elif command == "request":
        final(call, {"data": {name: value for name, value in request.items() if name != "content"}})
    elif command == "pair":
        pair(call)
    elif command in ("tool", "tool-twice", "input"):
        ask(call, command, words)
    elif command == "tool-late":
        final(call, *parts)
        event(call, toolCall={"id": 7, "name": "count", "arguments": {}})
    elif command == "hold":
        event(call, progress={"note": "held"})
    elif command == "given-up":
        final(call, {"data": given_up})
    elif command == "reject":
        event(call, rejection={"kind": words[0], "code": words[1], "reason": "not this one"})
    else:
        misbehave(call, command, words)


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "plain"
    if mode == "exits":
        sys.exit(7)
    if mode == "logs":
        print("INFO starting up", flush=True)
    if mode == "described":
        skill = {"id": "test.child", "description": "does what it is told"}
        about = {"name": "child", "description": "of its own words", "skills": [skill]}
        say({"descriptor": {**about, "tags": ["own"]}})
    for line in sys.stdin:
        message = json.loads(line)
        if "request" in message:
            answer(message["request"]["id"], message["request"])
        elif "cancel" in message:
            given_up.append(message["cancel"]["kind"])
        elif message["id"] in held:
            answered(message["id"], message.get("toolResult") or message.get("input"))
    if mode == "stubborn":
        time.sleep(600)
    if mode == "farewell":
        with open(sys.argv[2], "w") as file:
            file.write("input ended")


main()

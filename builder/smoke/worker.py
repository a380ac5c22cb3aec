"""Imports modules and writes down what becomes of each.

Usage: worker.py ITEMS FOLDER SECONDS. The protocol is in smoke.go.
"""
import importlib
import os
import signal
import sys

items, folder, seconds = sys.argv[1:4]
sys.path.pop(0)  # this file's folder; a function's would come first
sys.argv = ["/var/task/lambda_function.py"]


def one_line(error):
    text = " ".join(str(error).split())
    if len(text) > 240:
        text = text[:240] + "..."
    return type(error).__name__ + (": " + text if text else "")


def describe(error):
    first, seen = error, {id(error)}
    while True:
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or id(cause) in seen:
            break
        seen.add(id(cause))
        error = cause
    text = one_line(first)
    if error is not first and str(error) and str(error) not in text:
        text += " (" + one_line(error) + ")"
    return text


def load(item, results):
    _, name = item.split(" ")
    signal.alarm(int(seconds))  # ends even what holds the interpreter's lock
    try:
        importlib.import_module(name)
    except BaseException as error:  # SystemExit, too
        return "fail " + describe(error)
    finally:
        signal.alarm(0)
    return "ok"


def main():
    with open(items) as file:
        todo = file.read().splitlines()
    path = os.path.join(folder, "results")
    tried, failed, alone = set(), set(), set()
    if os.path.exists(path):
        with open(path) as file:
            for line in file:
                word, _, rest = line.partition(" ")
                i = rest.split(" ")[0].strip()
                if word == "start":
                    tried.add(i)
                    failed.add(i)
                elif word == "alone":
                    alone.add(i)
                elif word == "ok":
                    failed.discard(i)
    results = open(path, "a", buffering=1)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    fresh = True  # this process
    for i, item in enumerate(todo):
        if str(i) not in tried:
            fresh = False
            print("start", i, file=results)
            word, _, text = load(item, results).partition(" ")
            print(word, i, text, file=results)
            if word == "fail":
                failed.add(str(i))
    # What one import does may break another: what failed is tried once more in
    # a process of its own.
    again = sorted(failed - alone, key=int)
    if again and fresh:
        print("alone", again[0], file=results)
        word, _, text = load(todo[int(again[0])], results).partition(" ")
        print(word, again[0], text, file=results)
    if len(again) < (2 if fresh else 1):
        open(os.path.join(folder, "done"), "w").close()
    results.close()
    os._exit(0)  # whatever threads were started


main()

#!/usr/bin/env python3
"""Fails where a coroutine awaits in a shape that GCC 12 miscompiles.

Awaiting inside a condition can lay the coroutine's frame out wrongly (the promise isn't where
std::coroutine_handle looks for it), and the program crashes at the first resumption. Temporaries of
a conditional operator or a braced list beside co_await may be destroyed twice. Await into a variable
first, and give what is awaited named values.
"""
import pathlib
import re
import sys

CONDITION = re.compile(r"\b(?:if|while|switch|for)\s*(?:constexpr\s*)?\(")
SHORT_CIRCUIT = re.compile(r"&&|\|\||\?")


def closing(text, opening):
    """The index behind the parenthesis that closes the one at `opening`."""
    depth = 0
    for index in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index + 1
    return len(text)


def violations(text):
    code = re.sub(r"//[^\n]*", "", text).replace("auto&&", "auto")
    found = []
    rest = ""
    at = 0
    for match in CONDITION.finditer(code):
        end = closing(code, match.end() - 1)
        if "co_await" in code[match.end():end]:
            found.append(code[match.start():end])
        if match.start() >= at:
            rest += code[at:match.start()] + ";"
            at = end
    rest += code[at:]
    # What is left are statements: none may await beside a short circuit, nor hand a braced
    # temporary to what it awaits.
    for statement in re.split(r";|\{\s*\n|\}\s*\n", rest):
        if "co_await" not in statement:
            continue
        behind = statement.split("co_await", 1)[1]
        if SHORT_CIRCUIT.search(statement) or re.search(r"\(\s*\{", behind):
            found.append(statement)
    return [" ".join(each.split()) for each in found]


def main():
    if sys.argv[1:] == ["--self-test"]:
        wrong = ["if (co_await f()) {", "while (!co_await f()) {", "x = a && co_await f();",
                 "return co_await f() ? 1 : 2;", "if (auto x = co_await f(); !x) {",
             "co_await f(a ? b : c);", "auto x = co_await f({1, 2});"]
        right = ["const bool x = co_await f();", "co_return co_await f();", "if (a && b) {",
                 "if (a && b) co_await f(x);"]
        bad = [w for w in wrong if not violations(w)] + [r for r in right if violations(r)]
        print("\n".join(bad))
        return 1 if bad else 0
    failed = False
    for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.?pp")):
        for statement in violations(path.read_text(encoding="utf-8")):
            print(f"{path}: {statement}")
            failed = True
    print("no coroutine awaits in a shape GCC 12 miscompiles" if not failed else
          "await into a variable first, with named arguments: GCC 12 miscompiles the above")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The README's commands are the project's, and what it shows is what one sees."""

import re
import subprocess

import harness

README = (harness.ROOT / "README.md").read_text()
MAKEFILE = (harness.ROOT / "Makefile").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_two_commands_come_first():
    first = [line.split("#")[0].strip() for line in blocks("sh")[0].splitlines()]
    assert first == ["make run", "make test"]


def test_every_command_of_make_exists():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", "\n".join(blocks("sh"))))
    assert named and named <= targets


def test_make_lists_every_command():
    listed = subprocess.run(["make", "--no-print-directory", "-C", harness.ROOT], capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    assert {line.split()[0] for line in listed.splitlines()} == set(phony)


def test_ci_runs_what_the_readme_says():
    commands = [line for line in (harness.ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")]
    assert commands == ["make check", "make test"]


def test_serve_prints_what_the_readme_shows(serve):
    shown = next(block for block in blocks("text") if block.startswith("hitlake: "))
    printed = [f"hitlake: {serve.url}\n"]
    while len(printed) < len(shown.splitlines()):
        printed.append(serve.process.stdout.readline())
    said = "".join(printed).replace(serve.url, "http://127.0.0.1:8080").replace(serve.token, "62b8...")
    assert said.replace(str(serve.data), "data") == shown


def test_every_command_of_hitlake_exists():
    commands = {words[1] for block in blocks("sh") for line in block.splitlines() if (words := line.split())[:1] == ["hitlake"]}
    assert commands
    for command in commands:
        subprocess.run([harness.PROGRAM, command, "--help"], capture_output=True, check=True)

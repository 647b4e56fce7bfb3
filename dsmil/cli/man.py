"""The manual page dsmil(1), written out of the command tree: `python -m dsmil.cli.man`.

Set-up calls it, so the page says what the installed program takes and is never behind it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from dsmil import __version__
from dsmil.cli import main

FILES = (
    ("/etc/dsmil/dsmil.toml", "Settings: every key with its default. conf.d/*.toml and the environment win over it."),
    ("/etc/dsmil/rules.d", "What the SOC router holds back, with reason and end."),
    ("/var/lib/dsmil", "Audit log, checkpoints, drop folders."),
    ("/mnt/dsmil-ram/hotpath.db", "The hot database, for sqlite3(1)."),
)  # fmt: skip


def page() -> str:
    """The whole page as roff (man macros)."""
    with main.make_context("dsmil", [], resilient_parsing=True) as context:
        lines = [
            f'.TH DSMIL 1 "" "dsmil {__version__}" "User Commands"',
            ".SH NAME",
            f"dsmil \\- {_text(main.help or '').rstrip('.').lower()}",
            ".SH SYNOPSIS",
            ".B dsmil",
            ".I COMMAND",
            "[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]",
            ".SH COMMANDS",
            *_tree(main, context),
            ".SH FILES",
            *(line for name, words in FILES for line in (".TP", f".I {_text(name)}", _text(words))),
            ".SH EXIT STATUS",
            *_exit_codes(main.epilog or ""),
            ".SH SEE ALSO",
            "journalctl(1), systemctl(1), redis\\-cli(1), sqlite3(1)",
        ]
    return "\n".join(lines) + "\n"


def _tree(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        with command.make_context(name, [], parent=context, resilient_parsing=True) as inner:
            yield f".SS {_text(inner.command_path)} {_text(' '.join(command.collect_usage_pieces(inner)))}"
            yield from _paragraphs(command.help or "")
            yield from _options(command, inner)
            if isinstance(command, click.Group):
                yield from _tree(command, inner)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Those that say something of their own: arguments stand in the heading, and --help is everywhere."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[1] and "--help" not in record[0]:
            yield from (".TP", f".B {_text(record[0])}", _text(record[1]))


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", inspect.cleandoc(text))):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):  # click's mark: lines stay as they are
            yield from (".nf", *(_text(line, whole=False) for line in paragraph.splitlines()[1:]), ".fi")
        else:
            yield _text(paragraph)


def _exit_codes(epilog: str) -> Iterator[str]:
    for code, meaning in re.findall(r"^\s+(\d+)\s+(.+)$", epilog, re.MULTILINE):
        yield from (".TP", f".B {code}", _text(meaning))


def _text(text: str, *, whole: bool = True) -> str:
    """`text` without anything roff would take for its own; `whole` joins it into one line."""
    line = " ".join(text.split()) if whole else text.rstrip()
    line = line.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    return f"\\&{line}" if line.startswith((".", "'")) else line


if __name__ == "__main__":
    click.echo(page(), nl=False)

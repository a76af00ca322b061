"""A shell completes what a command takes: commands, parts, flags, their words and shipped nets."""

import re
import shutil
import subprocess

import pytest

from jeat import shipped
from jeat._support.plugins import known_parts
from jeat.cli import main

TAB = """source {file}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_jeat
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    """What bash offers for words, the last of which is begun."""
    if not shutil.which("bash"):
        pytest.skip("there is no bash")
    place = tmp_path_factory.mktemp("completion")
    with pytest.MonkeyPatch.context() as patch:
        said = []
        patch.setattr("builtins.print", lambda *words, **_: said.extend(words))
        assert main(["completion", "bash"]) == 0
    (place / "jeat").write_text("\n".join(said))

    def offered(words):
        script = TAB.format(file=place / "jeat", words=words)
        found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=place)
        return set(found.stdout.split())

    return offered


def flags_in_help(words, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([*words.split(), "--help"])
    return {*re.findall(r"^ +(?:-\w(?: \w+)?, )?(--[\w.]+)", capsys.readouterr().out, re.MULTILINE)}


@pytest.mark.parametrize("words", ["measure", "attack", "train jeat", "sweep at"])
def test_the_flags_of_a_command_are_those_of_its_help(words, bash, capsys):
    offered = bash(f"jeat {words} --")
    assert offered == flags_in_help(words, capsys)
    assert len(offered) > 15


def test_commands_parts_words_and_nets_are_completed(bash):
    assert bash("jeat ''") >= {*known_parts("cli")}
    assert bash("jeat train ''") >= {*known_parts("objectives")}
    assert bash("jeat train je") == {"jeat", "jem"}
    assert bash("jeat reproduce dig") == {"digits"}
    assert bash("jeat sample cifar10-") == {*shipped()}
    assert bash("jeat sample net out.png --energy ''") == {"joint", "cross-entropy"}
    assert bash("jeat measure net --metrics ''") == {*known_parts("metrics")}
    assert bash("jeat train at --track ''") == {"tensorboard", "trackio", "wandb"}
    assert bash("jeat sample net out.png --class ''") == set()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_all_commands_and_read_their_file(shell, tmp_path, capsys):
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for name in known_parts("cli"):
        assert name in text
    for net in shipped():
        assert net in text
    if shutil.which(shell):
        (tmp_path / "jeat").write_text(text)
        subprocess.run([shell, "-n", tmp_path / "jeat"], check=True)

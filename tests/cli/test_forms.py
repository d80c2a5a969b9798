"""Files that a report is written to: tried before anything is broken, and written after."""

import pytest
from typer.testing import CliRunner

import matrices
from mainstay.base.errors import EnvironmentProblem, SpecError
from mainstay.cli.app import command_line
from mainstay.cli.drilled import write
from mainstay.cli.forms import Forms


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return matrices.mixed(matrices.shop(tmp_path_factory.mktemp("shop")))


def test_each_form_is_written_to_its_file(report, tmp_path):
    forms = Forms(tmp_path / "a.xml", tmp_path / "a.md", tmp_path / "a.html")

    forms.check()
    write(report, forms)

    begins = {file.suffix: file.read_text().splitlines()[0] for file in forms}
    assert begins[".xml"].startswith("<?xml")
    assert begins[".md"].startswith("## ")
    assert begins[".html"] == "<!DOCTYPE html>"


def test_trying_leaves_files_as_they_are_and_makes_none(tmp_path):
    there = tmp_path / "there.md"
    there.write_text("as it was")

    Forms(tmp_path / "new.xml", there).check()

    assert there.read_text() == "as it was"
    assert [file.name for file in tmp_path.iterdir()] == ["there.md"]


def test_a_file_that_cannot_be_written_is_told_by_its_option(tmp_path):
    with pytest.raises(
        EnvironmentProblem, match=r"--html: cannot write '.*none/a.html': no such file or directory"
    ):
        Forms(html=tmp_path / "none" / "a.html").check()
    with pytest.raises(EnvironmentProblem, match=r"--junit: cannot write '.*': is a directory"):
        Forms(junit=tmp_path).check()


def test_standard_output_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SpecError, match="--markdown: '-' is no file"):
        Forms(markdown=type(tmp_path)("-")).check()


def test_two_forms_cannot_share_a_file(tmp_path):
    with pytest.raises(SpecError, match=r"--html: '.*' is the file of --junit already"):
        Forms(junit=tmp_path / "a", html=tmp_path / "b" / ".." / "a").check()


def test_the_summary_of_a_github_step_is_added_to_and_any_other_file_replaced(report, tmp_path, monkeypatch):
    summary, other = tmp_path / "summary", tmp_path / "other.md"
    summary.write_text("what another tool said\n\n")
    other.write_text("an old report")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))

    write(report, Forms(markdown=summary))
    write(report, Forms(markdown=other))

    assert summary.read_text().startswith("what another tool said\n\n## ")
    assert other.read_text().startswith("## ")


def test_a_run_whose_report_could_not_be_written_breaks_nothing(tmp_path):
    matrices.shop(tmp_path)

    done = CliRunner().invoke(
        command_line(),
        [
            "drill",
            "run",
            "--file",
            str(tmp_path / "mainstay.yaml"),
            "--html",
            str(tmp_path / "none" / "a.html"),
        ],
    )

    assert done.exit_code == 2
    assert "--html: cannot write" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mainstay.yaml"]

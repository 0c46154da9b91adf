"""Jenkinsfiles become declarations that are valid, and nothing of them is lost without a word."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.cli.import_ import import_jenkinsfile
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.spec.jenkins.draft import Asked
from shopkart_pipeline.spec.jenkins.grammar import parse
from shopkart_pipeline.spec.jenkins.notes import Treatment
from shopkart_pipeline.spec.jenkins.syntax import Statement
from shopkart_pipeline.spec.jenkins.tokens import tokens_of
from shopkart_pipeline.spec.jenkins.translate import Translation, translate
from shopkart_pipeline_tests.unit.spec.declarations import faults_of, pipeline_of

SAMPLES = Path(__file__).parents[3] / "samples" / "jenkins"
FILES = sorted(SAMPLES.glob("*.Jenkinsfile"))
SECRETS = ("hunter2-of-the-old-days", "npm_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", "abcdefghijklmnop1234567890")


def told(text: str) -> Translation:
    return translate(text, Asked())


def stage_of(steps: str, title: str = "Build", more: str = "") -> str:
    return f"pipeline {{ agent any\n{more}\nstages {{ stage('{title}') {{ steps {{\n{steps}\n}} }} }} }}"


def leaves(statements: tuple[Statement, ...]) -> list[Statement]:
    """Statements that hold no others."""
    return [leaf for each in statements for leaf in (leaves(each.body) if each.body else [each])]


def loaded(folder: Path, translation: Translation) -> Pipeline:
    return pipeline_of(folder, translation.declaration)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_sample_becomes_the_declaration_and_the_notes_beside_it(file: Path) -> None:
    translation = import_jenkinsfile(file, Asked())

    notes = "".join(f"{note}\n" for note in translation.notes)
    assert translation.declaration == file.with_suffix(".yaml").read_text(encoding="utf-8")
    assert notes == file.with_suffix(".notes").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_is_dropped_silently(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    lines = {note.line for note in told(text).notes}

    unsaid = [each for each in leaves(parse(text)) if not any(each.line <= line < each.line + 12 for line in lines)]

    assert unsaid == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_credentials_are_copied_neither_into_the_declaration_nor_into_the_notes(file: Path) -> None:
    translation = told(file.read_text(encoding="utf-8"))

    everything = translation.declaration + "".join(map(str, translation.notes))
    assert not [secret for secret in SECRETS if secret in everything]


@pytest.mark.parametrize(
    ("steps", "more"),
    [
        ("sh 'curl -u deploy:xyzzy42 https://shop.example'", ""),
        ("sh 'curl --user=deploy:xyzzy42 https://shop.example'", ""),
        ("sh 'docker login -u deploy -p xyzzy42 registry.example'", ""),
        ("sh 'sshpass -p xyzzy42 ssh host'", ""),
        ("sh 'DB_PASS=xyzzy42 ./migrate.sh'", ""),
        ("sh './migrate.sh $DB_PASS'", "environment { DB_PASS = 'xyzzy42' }"),
        ("sh './migrate.sh $DB_PASS'", "environment { DB_PASS = 'xyzzy42' + 'more' }"),
        ("withEnv(['DB_PWD=xyzzy42']) { sh './migrate.sh $DB_PWD' }", ""),
        ("sh './x.sh'", "parameters { password(name: 'P', defaultValue: 'xyzzy42') }"),
        ("sh 'git clone https://deploy:xyzzy42@git.example/x.git'", ""),
    ],
)
def test_a_credential_without_the_shape_of_one_is_known_by_its_place(steps: str, more: str) -> None:
    translation = told(stage_of(steps, more=more))

    assert "xyzzy42" not in translation.declaration + "".join(map(str, translation.notes))


def test_a_credential_that_is_named_by_a_variable_is_no_value() -> None:
    translation = told(stage_of("sh './t.sh -u me:$T'"))

    assert "./t.sh -u me:$T" in translation.declaration


def test_the_case_studys_pipeline_keeps_its_meaning(tmp_path: Path) -> None:
    file = SAMPLES / "storefront.Jenkinsfile"
    pipeline = loaded(
        tmp_path, import_jenkinsfile(file, Asked(owner="team:shop", approvers=("maya@shopkart.example",)))
    )

    service = pipeline.services["backend"]
    production = service.deployments["production"]
    assert [(step.weight_percent, step.bake_seconds) for step in production.steps] == [(10, 300), (50, 300)]
    assert production.approvals is not None
    assert production.approvals.approvers == ("maya@shopkart.example",)
    assert service.stage("unit_tests").junit == "reports/unit.xml"
    assert service.stage("unit_tests").timeout_seconds == 600
    assert pipeline.environments["staging"].options == {"namespace": "shop-staging"}


def test_scripted_blocks_are_named_with_their_size() -> None:
    translation = told(stage_of("script {\n def x = 1\n if (x) { sh 'rm everything' }\n}"))

    [note] = [note for note in translation.notes if "Groovy" in note.words]
    assert (note.line, note.treatment) == (4, Treatment.LEFT)
    assert note.words.startswith("4 lines of Groovy in stage `Build`")
    assert "rm everything" not in translation.declaration


def test_a_command_that_needs_what_only_jenkins_knows_is_left() -> None:
    translation = told(stage_of("sh './report.sh $BUILD_NUMBER'\nsh \"./report.sh ${params.WHY}\""))

    left = [note for note in translation.notes if "report.sh" in note.quote]
    assert [note.treatment for note in left] == [Treatment.LEFT, Treatment.LEFT]
    assert "report.sh" not in translation.declaration


def test_values_reach_the_commands_that_use_them(tmp_path: Path) -> None:
    translation = told(stage_of("sh './measure.sh $LIMIT $GIT_COMMIT'", "Measure", "environment { LIMIT = 'a b' }"))

    command = loaded(tmp_path, translation).services["service"].stage("measure").command
    assert command[:2] == ("sh", "-ec")
    assert command[2].splitlines() == [
        "export LIMIT='a b'",
        'export GIT_COMMIT="$SHOPKART_COMMIT"',
        "./measure.sh $LIMIT $GIT_COMMIT",
    ]


def test_values_that_grow_without_end_are_not_followed() -> None:
    doubled = "\n".join(f'A{number} = "${{A{number - 1}}}${{A{number - 1}}}"' for number in range(1, 60))

    translation = told(stage_of("sh './x.sh $A59'", more=f"environment {{\nA0 = 'xx'\n{doubled}\n}}"))

    assert len(translation.declaration) < 10_000


def test_a_failure_that_was_ignored_counts_and_is_told() -> None:
    translation = told(stage_of("sh './check.sh || true'", "Check"))

    assert "|| true" not in translation.declaration
    assert any("its failure, which the Jenkinsfile ignores, counts here" in note.words for note in translation.notes)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "declares no pipeline"),
        ("node { sh 'make' }", "declares no pipeline"),
        ("pipeline { stages { ", "a brace is never closed"),
        ("pipeline { } }", "a brace closes nothing"),
        ("pipeline {\n sh 'open\n}", "Line 2 of the Jenkinsfile: a text that begins with ' is never closed"),
        ("pipeline { /* open", "a comment is never closed"),
        ('pipeline { sh "${open"', "an expression that begins with ${ is never closed"),
        ("pipeline {" + "a {" * 100, "nested more than 40 deep"),
        ("pipeline { a(" + "[" * 5000, "nested more than 40 deep"),
        ("pipeline { a " + "b " * 5000, "nested more than 40 deep"),
        ("pipeline {\n\x1b[31m}", "Line 2 of the Jenkinsfile: a control character stands there"),
        ("pipeline { " + "a\n" * 4000, "more than 3000 statements"),
        ("pipeline {}\npipeline {}", "more than one pipeline"),
    ],
)
def test_what_can_not_be_read_is_said_with_its_line(text: str, what: str) -> None:
    with pytest.raises(UntrustedInput) as error:
        told(text)

    assert what in error.value.what


PIECES = [
    *{token for file in FILES for token in file.read_text(encoding="utf-8").split()},
    *(
        "\n",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "'",
        '"',
        "'''",
        "/",
        "$/",
        "/$",
        "${",
        "\\",
        ";",
        ":",
        ",",
        "sh",
        "\u202e",
        "\x00",
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("declarations")


def check(folder: Path, source: str) -> None:
    """It is refused, or becomes a declaration that is valid."""
    try:
        translation = told(source)
    except UntrustedInput:
        return
    assert faults_of(folder, translation.declaration) == ()


@given(text=st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join))
@settings(max_examples=20)
def test_whatever_stands_in_a_stage_it_is_translated_or_refused(folder: Path, text: str) -> None:
    check(folder, text)
    check(folder, stage_of(text))
    check(folder, stage_of("sh 'x'", more=text))


@given(file=st.sampled_from(FILES), at=st.integers(0, 5000), length=st.integers(0, 60))
@settings(max_examples=25)
def test_a_sample_with_a_hole_is_translated_or_refused(folder: Path, file: Path, at: int, length: int) -> None:
    text = file.read_text(encoding="utf-8")
    check(folder, text[:at] + text[at + length :])


WORDS = st.text("ab1 -_.$'\"\\\\|&;<>(){}[]#=*/\n\t\u202eß", max_size=30)


@given(title=WORDS, command=WORDS)
@settings(max_examples=25)
def test_any_title_and_command_is_translated_or_refused(folder: Path, title: str, command: str) -> None:
    check(folder, stage_of(f"sh '''{command}\nmake'''", title))


@given(st.text(max_size=200))
def test_any_text_is_words_or_refused(text: str) -> None:
    try:
        tokens = tokens_of(text)
    except UntrustedInput:
        return
    assert tokens[-1].line == text.count("\n") + 1

"""The shape that is published, and reports that are made."""

import jsonschema
import pytest

from mainstay.drill.cell import cells
from mainstay.drill.form.shape import PARTS, REPORT, schema
from mainstay.drill.report import unplayed
from mainstay.drill.standing import standing
from matrices import AT, cell


@pytest.fixture(scope="module")
def exact():
    """Check a report, and that it has no field which the schema does not know."""
    strict = schema()
    for part in (strict, *strict["$defs"].values()):
        part["additionalProperties"] = False
    jsonschema.Draft202012Validator.check_schema(strict)
    return jsonschema.Draft202012Validator(strict).validate


def test_a_report_of_a_run_is_as_published(exact, mixed):
    exact(mixed)


def test_a_report_with_cells_that_were_not_played_is_as_published(exact, mixed, shop):
    mixed["cells"].append(unplayed(cell(shop, "files@web"), "the run was over before its turn came"))

    exact(mixed)


def test_what_is_shown_of_several_runs_is_as_published(exact, mixed, shop):
    exact(standing(shop, cells(shop), [mixed], AT + 60.0))
    exact(standing(shop, cells(shop), [], AT))


@pytest.mark.parametrize("name", ["gap", "latency", "timeline", "reproduce"])
def test_a_cell_that_was_played_without_a_number_is_refused(mixed, name):
    del mixed["cells"][0][name]

    with pytest.raises(jsonschema.ValidationError, match=f"'{name}' is a dependency of 'measured'"):
        jsonschema.validate(mixed, schema())


def test_fields_of_a_later_program_are_let_through(mixed):
    jsonschema.validate(mixed | {"more": 1}, schema())


def test_every_field_has_a_meaning():
    for fields in (REPORT, *PARTS.values()):
        assert all(len(field.meaning) > 5 for field in fields.values())

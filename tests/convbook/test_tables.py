"""HTML tables: what a screen reader and a phone need."""

import re

from convbook.tables import html_table

HEADINGS = ("Network", "Printed", "Verdict")
ROWS = [["a<b", "1", "agrees"], ["c", "2", "differs: twice"]]


def test_text_is_escaped_and_rows_are_named():
    made = html_table('"Q"', HEADINGS, ROWS, numeric={1})
    assert 'aria-label="&quot;Q&quot;"' in made
    assert '<th scope="row">a&lt;b</th><td class="cb-number">1</td><td>agrees</td>' in made
    assert "role=" not in made.partition("<table")[2]


def test_the_last_row_can_be_a_total():
    made = html_table("Q", HEADINGS, ROWS, totals=True)
    assert made.count("<tr>") == 3
    assert re.search(r"</tbody><tfoot><tr><th scope=\"row\">c</th>", made)


def test_a_table_of_sentences_keeps_its_roles_where_a_phone_lays_it_out_as_blocks():
    made = html_table("Q", HEADINGS, ROWS, numeric={1}, wide=2).partition("<table")[2]
    roles = re.findall(r'role="(\w+)"', made)
    row = ["row", "rowheader", "cell", "cell"]
    assert roles == ["table", "rowgroup", "row", *["columnheader"] * 3, "rowgroup", *row, *row]
    assert '<td class="cb-number" data-label="Printed" role="cell">1</td>' in made

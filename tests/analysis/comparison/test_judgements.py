"""Verdicts that came out otherwise."""

from __future__ import annotations

from dataclasses import replace

from tests.analysis.comparison.made import PRESENTATION, cell, compared, results, row

JUDGED = {
    **PRESENTATION, "sections": ["verdicts"], "curve": None,
    "verdicts": {"metric": "test_accuracy", "margin": {"default": 2.0}},
}  # fmt: skip
WOBBLE = (0.05, -0.03, 0.02, -0.06, 0.04, -0.02, 0.01, -0.01)


def run(folder, arms, *, wobble=WOBBLE, key="code"):
    """Eight repetitions of a ticket at 80 %, and of arms that lose so many points of it."""
    found = []
    for n, own in enumerate(wobble):
        found.append(cell(row("snip", 0.5, n), 80.0, key=key))
        for arm, loss in arms.items():
            altered = cell(row("snip", 0.5, n, arm=arm), 80.0 - loss + own, key=key)
            found.append(replace(altered, labels={"reference": "", "mask": "other", "ticket": "other"}))
    return results(folder, found, presentation=JUDGED)


def verdicts(suite):
    return {(i.arm, i.state.word, i.gates, i.detail.split(";")[0]) for i in suite.items if i.what == "verdict"}


def test_a_verdict_that_changed_because_the_difference_did_gates(tmp_path):
    old = run(tmp_path / "old", {"reinit": 5.0, "rearrange": 0.0})
    new = run(tmp_path / "new", {"reinit": 0.0, "rearrange": 0.0}, wobble=WOBBLE[::-1], key="other")
    suite, found = compared(new, old)
    assert verdicts(suite) == {("reinit", "changed", True, "d=0.5: depends → does not depend")}
    assert found.regressed


def test_a_verdict_that_changed_within_noise_is_shown_and_does_not_gate(tmp_path):
    rough = (1.5, -1.2, 0.4, -0.8, 1.1, -0.9, 0.6, -0.7)
    old = run(tmp_path / "old", {"reinit": 2.2}, wobble=rough)
    new = run(tmp_path / "new", {"reinit": 1.8}, wobble=rough[::-1], key="other")
    suite, found = compared(new, old)
    ((arm, word, gates, text),) = verdicts(suite)
    assert (arm, word, gates) == ("reinit", "drift", False)
    assert text.startswith("d=0.5: depends → ")
    assert not found.regressed


def test_equal_verdicts_are_not_listed(tmp_path):
    old = run(tmp_path / "old", {"reinit": 5.0})
    new = run(tmp_path / "new", {"reinit": 5.3}, wobble=WOBBLE[::-1], key="other")
    assert verdicts(compared(new, old)[0]) == set()


def test_a_ticket_that_became_identical_is_another_verdict(tmp_path):
    old = run(tmp_path / "old", {"reinit": 0.0})
    new = [
        replace(r, labels={**r.labels, "ticket": "identical"}) if r.row.arm else r for r in old.records
    ]  # fmt: skip
    suite, _ = compared(results(tmp_path / "new", new, presentation=JUDGED), old)
    assert verdicts(suite) == {("reinit", "drift", False, "d=0.5: does not depend → does not depend (identical mask)")}

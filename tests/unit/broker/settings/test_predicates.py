"""Predicates of routes: what they take, against the same conditions in Python; and how errors are told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.settings.predicates import NUMBERS, Asked, PredicateError, parse
from model.taxonomy import CLASS_IDS, CLASSES

NAMES = [c.name for c in CLASSES]


def asked(n=200, seed=1):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(14, 0.2), n).astype(np.float32).astype(np.float64)
    place = rng.uniform((0, -90), (360, 90), (n, 2))
    place[rng.random(n) < 0.2] = np.nan
    return Asked(
        probabilities=probabilities,
        anomalies=rng.random(n) < 0.3,
        numbers={
            "probability": probabilities.max(axis=1),
            "p99": rng.random(n),
            "anomaly_score": rng.gamma(3.0, 2.0, n),
            "observations": rng.integers(1, 20, n).astype(float),
            "mjd": rng.uniform(60_000, 61_000, n),
            "ra": place[:, 0],
            "dec": place[:, 1],
        },
        surveys=rng.choice([b"ztf", b"lsst", b"plasticc"], n).tolist(),
        priors=["balanced"] * n,
        qualities=rng.choice(["enough", "little", "outside", ""], n).tolist(),
    )


def rows(of):
    """Each classification as a namespace in which the condition is Python."""
    for i in range(len(of.anomalies)):
        p = dict(zip(NAMES, of.probabilities[i].tolist(), strict=True))
        yield {
            "cls": NAMES[int(of.best[i])],
            "p": p,
            "anomaly": bool(of.anomalies[i]),
            "survey": of.surveys[i].decode(),
            "priors": of.priors[i],
            "quality": of.qualities[i],
            **{name: float(column[i]) for name, column in of.numbers.items()},
        }


@pytest.mark.parametrize(
    ("text", "python"),
    [
        (
            "class in {SLSN-I, TDE} and probability > 0.7 and observations >= 5",
            "cls in ('SLSN-I', 'TDE') and probability > 0.7 and observations >= 5",
        ),
        ("class == SN Ia or class == SN Ia-91bg", "cls in ('SN Ia', 'SN Ia-91bg')"),
        ("class != rr  lyrae", "cls != 'RR Lyrae'"),
        ("CLASS IN {90, 42}", "cls in ('SN Ia', 'SN II')"),
        ("anomaly", "anomaly"),
        ("not anomaly and anomaly_score>=4", "not anomaly and anomaly_score >= 4"),
        ("anomaly or class == AGN and probability < .5", "anomaly or (cls == 'AGN' and probability < .5)"),
        ("(anomaly or class == AGN) and probability < 5e-1", "(anomaly or cls == 'AGN') and probability < .5"),
        ("p(SN Ia) > 0.2 and p( 64 ) < 0.1", "p['SN Ia'] > 0.2 and p['kilonova'] < 0.1"),
        ("survey in {ztf, lsst} and not (survey == ztf)", "survey == 'lsst'"),
        ("priors == natural", "False"),
        ("priors != natural", "True"),
        ("priors == published", "False"),
        ("quality == enough", "quality == 'enough'"),
        ("quality in {little, outside} or anomaly", "quality in ('little', 'outside') or anomaly"),
        ("ra > 180 and dec <= -20.5", "ra > 180 and dec <= -20.5"),
        ("ra != 5", "ra == ra"),  # an unknown place differs from nothing
        ("mjd > 60500 and p99 < 0.5", "mjd > 60500 and p99 < 0.5"),
        ("observations == 7", "observations == 7"),
        ("not not not anomaly", "not anomaly"),
        ("  ", "True"),
    ],
)
def test_a_predicate_takes_what_the_same_condition_in_python_takes(text, python):
    of = asked()
    got = parse(text).matches(of)
    assert got.dtype == bool
    assert got.tolist() == [eval(python, {}, row) for row in rows(of)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prob > 0.7", "at character 1 of the condition there is 'prob > 0.7'; expected not, (, anomaly, p(CLASS), "),
        ("class in {SLSN-I, TDX}", "at character 19 of the condition there is 'TDX}'; expected a class: microlensing"),
        ("class in SLSN-I", "at character 10 of the condition there is 'SLSN-I'; expected {"),
        ("class in {TDE", "at character 14 of the condition it ends; expected , or }"),
        ("class in {}", "expected a class"),
        ("class > TDE", "at character 7 of the condition there is '> TDE'; expected ==, != or in after class"),
        ("class == SN Iab", "expected a class"),
        ("class == 91", "expected a class"),
        ("probability > high", "at character 15 of the condition there is 'high'; expected a number"),
        ("probability > 70", "at character 15 of the condition there is '70'; expected a number from 0 to 1"),
        ("p(AGN) > 1.5", "expected a number from 0 to 1 for p(CLASS)"),
        ("probability = 0.7", "expected <, <=, >, >=, ==, != after probability"),
        ("observations > 5 class == TDE", "at character 18 of the condition there is 'class == TDE'; expected and, or"),
        ("observations >", "it ends; expected a number"),
        ("observations > 5 and", "it ends; expected not"),
        ("(anomaly", "it ends; expected and, or, )"),
        ("anomaly)", "expected and, or, the end"),
        ("survey == 'x'", "expected a survey's name"),
        (
            "survey == ztff",
            "at character 11 of the condition there is 'ztff'; expected a survey's name: plasticc, rubin,",
        ),
        ("survey in {ztf, rubinn}", "at character 17 of the condition there is 'rubinn}'; expected a survey's name"),
        ("survey != ZTF", "at character 11 of the condition there is 'ZTF'; expected a survey's name"),
        ("priors == other", "expected balanced, natural or published"),
        ("p TDE > 1", "expected (CLASS)"),
        ("observations > 5x", "expected a number"),
        ("__import__('os')", "at character 1 "),
        ("(" * 60 + "anomaly", "nested deeper than 50"),
        ("not " * 60 + "anomaly", "nested deeper than 50"),
        ("anomaly " * 300, "at most 2,000 characters"),
        ("anomaly\x1b[31m", "there is '\\x1b"),
    ],
)
def test_an_error_says_where_it_is_and_what_is_expected(text, told):
    with pytest.raises(PredicateError) as error:
        parse(text)
    assert told in str(error.value)
    assert str(error.value).isprintable()


def test_every_class_has_a_name_and_a_number_that_are_read():
    of = asked(2_000)
    for place, (name, number) in enumerate(zip(NAMES, CLASS_IDS, strict=True)):
        for text in (f"class == {name}", f"class=={number}", f"class in {{{name.upper()}}}"):
            assert (parse(text).matches(of) == (of.best == place)).all(), text


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["class", "in", "{", "}", "TDE", ",", "and", "or", "not", "(", ")", "p", "0.5", ">", "==", *NUMBERS]
)).map(" ".join))  # fmt: skip
def test_any_text_is_a_predicate_or_an_error_of_its_own(text):
    try:
        found = parse(text)
    except PredicateError:
        return
    assert found.matches(asked(5)).shape == (5,)

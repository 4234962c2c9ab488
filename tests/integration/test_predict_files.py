"""Files as people have them: cut from the example that ships, changed, and handed to `misweeper-train predict`."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from model.artefact import save
from model.observation import BANDS, FLUXCAL_NJY
from tests.support.artefacts import untrained
from training import cli
from training.files import DataError
from training.predict import COLUMNS

EXAMPLE = Path(__file__).parents[2] / "broker" / "examples" / "plasticc_heldout.parquet"
OBJECTS = 6
Tables = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artefact")
    save(folder, untrained())
    return folder


@pytest.fixture(scope="module")
def example() -> Tables:
    """Light curves and metadata of a few objects in Kaggle's columns, without classes."""
    rows = pd.read_parquet(EXAMPLE).sort_values(["object_id", "mjd"], kind="stable")
    rows = rows[rows["object_id"].isin(sorted(set(rows["object_id"]))[:OBJECTS])].groupby("object_id").head(12)
    curves = pd.DataFrame(
        {
            "object_id": rows["object_id"].astype(int), "mjd": rows["mjd"],
            "passband": [BANDS.index(b) for b in rows["band"]],
            "flux": rows["flux"].astype(float) / FLUXCAL_NJY, "flux_err": rows["flux_err"].astype(float) / FLUXCAL_NJY,
            "detected": rows["detected"].astype(int),
        }
    ).reset_index(drop=True)  # fmt: skip
    first = rows.groupby("object_id", as_index=False).first()
    metadata = pd.DataFrame({"object_id": first["object_id"].astype(int), "ra": first["ra"], "decl": first["dec"]})
    metadata["ddf"] = first["ddf"].astype(int)
    for name in ("hostgal_photoz", "hostgal_photoz_err", "mwebv"):
        metadata[name] = first[name].astype(float)
    return curves, metadata


def answers(
    folder: Path, artefact: Path, curves: pd.DataFrame | str | bytes, metadata: pd.DataFrame, ending: str = "csv"
) -> pd.DataFrame:
    """Both tables, as a CSV or a parquet file, to the table of answers."""
    paths = folder / f"test_set.{ending}", folder / f"test_set_metadata.{ending}"
    for path, table in zip(paths, (curves, metadata), strict=True):
        if isinstance(table, str | bytes):
            path.write_bytes(table.encode() if isinstance(table, str) else table)
        elif ending == "parquet":
            table.to_parquet(path)
        else:
            table.to_csv(path, index=False)
    out = folder / "out.parquet"
    out.unlink(missing_ok=True)
    done = CliRunner().invoke(cli.app, ["predict", str(paths[0]), str(out), "--artefact", str(artefact)])
    if done.exception:
        assert not out.exists()
        raise done.exception
    found = pd.read_parquet(out)
    assert np.isfinite(found[COLUMNS[1:]].to_numpy()).all()
    assert found[COLUMNS[1:]].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(found)), abs=1e-5)
    found.attrs["said"] = done.stderr
    return found


@pytest.fixture
def predict(tmp_path: Path, artefact: Path) -> Callable[..., pd.DataFrame]:
    return partial(answers, tmp_path, artefact)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, artefact: Path, example: Tables) -> pd.DataFrame:
    """The answers to the example as it is."""
    return answers(tmp_path_factory.mktemp("plain"), artefact, *example)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one[COLUMNS[1:]], other[COLUMNS[1:]], atol=1e-6)


@pytest.mark.parametrize("target", [99, 991, -1, 0, 6.5, np.nan, np.inf, 1e300, "SNIa", "", True])
def test_unlabelled_and_strangely_labelled_objects_are_answered_as_labelled_ones(
    predict, example, plain, target
) -> None:
    curves, metadata = example
    assert plain["object_id"].tolist() == [str(i) for i in metadata["object_id"]]
    same(plain, predict(curves, metadata.assign(target=90)))
    same(plain, predict(curves, metadata.assign(target=[90, 42, 6, 15, 62, 99])))
    same(plain, predict(curves, metadata.assign(target=target)))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("flux_err", 1e-18, "an error outside 2.75e-06 to 2.75e\\+10; remove the row"),
        ("flux_err", 0, "an error outside"),
        ("flux_err", "inf", "an error outside"),
        ("flux_err", "1e-400", "an error outside"),
        ("flux", 1e20, "a flux beyond 2.75e\\+10; remove the row"),
        ("flux", "-1e400", "a flux beyond"),
        ("flux", "nan", "no number as its flux"),
        ("flux", "-inf", "a flux beyond"),
        ("flux", "12,5", "no number as its flux"),
        ("flux", "true", "no number as its flux"),
        ("mjd", 2_459_750.5, "an mjd that is no time; it looks like a Julian date: subtract 2400000.5"),
        ("mjd", 1_655_000_000, "an mjd that is no time; it looks like seconds since 1970 .* divide by 86400"),
        ("mjd", "2022-06-20", "no number as its mjd"),
        ("mjd", "inf", "an mjd that is no time"),
        ("passband", "w", "an unknown passband; use 0 to 5, or u g r i z y"),
        ("passband", 2.5, "an unknown passband"),
        ("detected", "maybe", "no number as its detected"),
    ],
)
def test_what_the_service_refuses_is_refused_with_file_line_and_remedy(predict, example, column, value, said) -> None:
    curves = example[0].astype({column: object})
    curves.loc[20, column] = value
    name = curves.loc[20, "object_id"]
    with pytest.raises(DataError, match=rf"test_set.csv, line 22: object {name} has {said}"):
        predict(curves, example[1])


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("hostgal_photoz", 1e30, "a hostgal_photoz outside 0 to 20 \\(-9 is read as unknown\\); mend it"),
        ("hostgal_photoz", -8.9, "a hostgal_photoz outside 0 to 20"),
        ("hostgal_photoz_err", "inf", "a hostgal_photoz_err outside 0 to 20"),
        ("mwebv", -0.1, "a mwebv outside 0 to 1000; mend it, or leave it empty"),
        ("mwebv", -9, "a mwebv outside 0 to 1000"),
        ("mwebv", "thick", "no number as its mwebv"),
        ("ra", 361, "a ra outside 0 to 360"),
        ("decl", -91, "a decl outside -90 to 90"),
        ("ddf", 2, "a ddf other than 0 or 1"),
    ],
)
def test_impossible_metadata_are_refused_with_file_line_and_remedy(predict, example, column, value, said) -> None:
    metadata = example[1].astype({column: object})
    metadata.loc[2, column] = value
    with pytest.raises(
        DataError, match=rf"test_set_metadata.csv, line 4: object {metadata.loc[2, 'object_id']} has {said}"
    ):
        predict(example[0], metadata)


def test_a_photoz_of_minus_9_is_missing_and_said_once(predict, example) -> None:
    curves, metadata = example
    minus = metadata.assign(hostgal_photoz=[-9.0, -9.0, 0.3, 0.3, 0.3, 0.3], hostgal_photoz_err=-9.0)
    empty = minus.replace(-9.0, np.nan)
    found = predict(curves, minus)
    assert found.attrs["said"].count("2 objects have a hostgal_photoz of -9: it is read as unknown") == 1
    without = predict(curves, empty)
    assert "of -9" not in without.attrs["said"]
    same(found, without)


def renamed(example: Tables, names: list) -> Tables:
    """The same objects under other ids."""
    new = dict(zip(example[1]["object_id"], names, strict=True))
    return tuple(t.assign(object_id=pd.Series([new[i] for i in t["object_id"]], dtype=object)) for t in example)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    "names",
    [
        ["ZTF18abc", "ZTF18abd", "a b", "é", "[/x]", "12e5x"],
        [str(2**63 + n) for n in range(OBJECTS)],
        [str(-1 - n) for n in range(OBJECTS)],
        ["0615", "615", "+615", "6_15", "0x615", "615a"],
        ['quo"te', "com,ma", "semi;colon", "line", "=1+1", "-"],
    ],
)
def test_ids_are_texts_and_come_back_as_they_were(predict, example, plain, names, ending) -> None:
    found = predict(*renamed(example, names), ending=ending)
    assert found["object_id"].tolist() == names
    same(found, plain)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("uint64", [2**64 - 1 - n for n in range(OBJECTS)]),
        ("int64", [-(2**63) + n for n in range(OBJECTS)]),
        ("float64", [float(615 + n) for n in range(OBJECTS)]),
        ("float32", [float(615 + n) for n in range(OBJECTS)]),
        ("string", ["a", "b", "c", "d", "e", "f"]),
        ("object", [b"a", b"b", b"c", b"d", b"e", b"f"]),
        ("category", ["a", "b", "c", "d", "e", "f"]),
        ("Int64", [2**63 - 1 - n for n in range(OBJECTS)]),
    ],
)
def test_ids_of_any_parquet_type_are_read_exactly(predict, example, kind, names) -> None:
    curves, metadata = (t.astype({"object_id": kind}) for t in renamed(example, names))
    found = predict(curves, metadata, ending="parquet")
    texts = [n.decode() if isinstance(n, bytes) else str(n) for n in names]
    assert found["object_id"].tolist() == [t.removesuffix(".0") for t in texts]


def bare(table: pd.DataFrame) -> bytes:
    """A parquet file of which nothing says that pandas wrote it."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(table).replace_schema_metadata(None), sink)
    return sink.getvalue().to_pybytes()


def test_a_missing_whole_number_in_parquet_rounds_no_other(predict, example) -> None:
    large = [2**63 - 1 - n for n in range(OBJECTS)]
    curves, metadata = (t.astype({"object_id": "Int64"}) for t in renamed(example, large))
    known = metadata.assign(ddf=metadata["ddf"].astype("Int64").where(metadata.index != 0))
    for tables in ((curves, known), (bare(curves), bare(known))):
        assert predict(*tables, ending="parquet")["object_id"].tolist() == [str(n) for n in large]
    curves.loc[71, "object_id"] = pd.NA
    for tables in ((curves, metadata), (bare(curves), bare(metadata))):
        with pytest.raises(DataError, match=r"test_set.parquet, line 73: object .* has no object_id"):
            predict(*tables, ending="parquet")


def test_flags_as_parquets_booleans(predict, example, plain) -> None:
    curves, metadata = example
    bools = curves.astype({"detected": bool}), metadata.astype({"ddf": bool})
    same(predict(*bools, ending="parquet"), plain)
    same(predict(*bools), plain)  # True and False in CSV


def test_a_whole_number_with_a_point_is_that_number(predict, example) -> None:
    curves, metadata = example
    pointed = curves.assign(object_id=curves["object_id"].map(lambda i: f"{i}.0"))
    found = predict(pointed, metadata)
    assert found["object_id"].tolist() == [str(i) for i in metadata["object_id"]]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("bad", [615.5, np.nan, np.inf, 1e300])
def test_an_id_that_is_no_whole_number_is_refused_not_rounded(predict, example, bad, ending) -> None:
    curves = example[0].astype({"object_id": float})
    curves.loc[12:23, "object_id"] = bad
    with pytest.raises(DataError, match=r"line 14: object .* has (an object_id that is no whole number|no object_id)|"
                                        r"line 14: object inf is not in"):  # fmt: skip
        predict(curves, example[1], ending=ending)


@pytest.mark.parametrize("column", ["object_id", "flux", "passband", "detected"])
@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, b"\xff", pd.Timestamp("2022-01-01"), None])
def test_parquet_types_that_are_no_numbers_are_one_sentence(predict, example, column, value) -> None:
    curves, metadata = example
    with pytest.raises(DataError, match=r"test_set\.parquet"):
        predict(curves.assign(**{column: pd.Series([value] * len(curves))}), metadata, ending="parquet")


def test_letters_are_bands_and_big_y_is_small_y(predict, example, plain) -> None:
    curves, metadata = example
    letters = curves["passband"].map(dict(enumerate("ugrizY")))
    letters[::2] = letters[::2].replace("Y", "y")
    found = predict(curves.assign(passband=letters), metadata)
    same(found, plain)
    same(found, predict(curves.assign(passband=letters).rename(columns={"passband": "band"}), metadata))


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("blank", ["", "   "])
def test_blank_lines_marks_and_windows_lines_change_nothing_and_lines_are_those_of_an_editor(
    predict, example, plain, before, newline, mark, blank
) -> None:
    curves, metadata = example
    lines = curves.to_csv(index=False).splitlines()
    lines[6:6] = [blank, blank]
    text = mark + newline.join([*[blank] * before, *lines, blank]) + newline
    same(predict(text, metadata), plain)
    lines[20] = lines[20].rsplit(",", 1)[0] + ",7"
    with pytest.raises(DataError, match=rf"test_set.csv, line {21 + before}: .* a detected flag other than 0 or 1"):
        predict(mark + newline.join([*[blank] * before, *lines]), metadata)


@pytest.mark.parametrize(("mark", "name"), [(";", ";"), ("\t", "tabs"), ("|", "[|]")])
def test_another_separator_is_named(predict, example, mark, name) -> None:
    with pytest.raises(DataError, match=rf"line 1: the columns are separated by {name}; export it with commas"):
        predict(example[0].to_csv(index=False, sep=mark), example[1])


def test_a_column_that_is_there_twice_is_named(predict, example) -> None:
    curves, metadata = example
    both = curves.assign(detected_bool=curves["detected"])
    with pytest.raises(DataError, match="line 1: detected and detected_bool are one column's names; keep one of them"):
        predict(both, metadata)
    with pytest.raises(DataError, match="line 1: flux and flux are one column's names"):
        predict(both.drop(columns="detected_bool").to_csv(index=False).replace("flux_err", "flux", 1), metadata)


def test_rows_with_a_comma_too_many_are_refused_not_displaced(predict, example, plain) -> None:
    curves, metadata = example
    same(predict(curves.to_csv(index=False, lineterminator=",\n").replace(",\n", "\n", 1), metadata),
         plain)  # fmt: skip
    header, *rows = curves.to_csv(index=False).splitlines()
    with pytest.raises(DataError, match="its rows have more fields than its header; write numbers with points"):
        predict("\n".join([header, *(f"1,{row}" for row in rows)]), metadata)
    with pytest.raises(DataError, match=r"damaged .*Expected 6 fields in line 10, saw 7"):
        predict("\n".join([header, *rows[:8], f"1,{rows[8]}", *rows[9:]]), metadata)


def test_exponents_spaces_and_plus_signs_are_numbers(predict, example, plain) -> None:
    curves, metadata = example
    written = curves.assign(flux=curves["flux"].map("{:+.17e}".format), mjd=curves["mjd"].map(" {:.10E} ".format))
    same(predict(written, metadata), plain)


def test_a_file_in_another_encoding_is_one_sentence(predict, example) -> None:
    for encoding in ("utf-16", "latin-1"):
        text = example[0].to_csv(index=False).replace("flux_err", "flux_err,é").encode(encoding)
        with pytest.raises(DataError, match=r"test_set\.csv"):
            predict(text, example[1])


WORDS = st.sampled_from(
    ["", "nan", "inf", "-inf", "1e400", "-1", "-0", "1e-320", "615.5", "9" * 400, "x", '"', "é", "\x00", "0x10", "1,1",
     ";", "\n", "NULL", "true", "1_0", "٣", "2459750.5", "1e300", "-9", "u", "Y"]
)  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 71), st.integers(0, 6), WORDS), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_anything_anywhere_has_finite_answers_or_one_sentence(predict, example, changes) -> None:
    texts = [[line.split(",") for line in table.to_csv(index=False).splitlines()] for table in example]
    for in_curves, row, column, word in changes:
        lines = texts[0 if in_curves else 1]
        fields = lines[row % len(lines)]
        fields[column % len(fields)] = word
    curves, metadata = ("\n".join(",".join(fields) for fields in lines) for lines in texts)
    with suppress(DataError):  # anything else is a traceback
        assert len(predict(curves, metadata))

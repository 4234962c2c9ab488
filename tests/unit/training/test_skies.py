from pathlib import Path

import numpy as np
import pytest

from tests.support.skies import write_sky
from training.dataset import UNKNOWN
from training.files import DataError
from training.skies import read_skies, read_sky

SKY = Path(__file__).parents[3].parent / "shared" / "sky"


def test_a_set_is_its_light_curves_with_all_that_is_known(tmp_path: Path) -> None:
    _, rows = write_sky(tmp_path, "a", [90, 42, 92], redshift=[0.1, np.nan, np.nan], mwebv=[0.02, np.nan, 0.5])
    (sky,) = read_skies(tmp_path)
    assert sky.name == "a"
    assert sky.objects.ids.tolist() == ["a0", "a1", "a2"]
    assert sky.objects.labels.tolist() == [90, 42, 92]
    for i, curve in enumerate(sky.objects.curves):
        own = rows[rows["object_id"] == f"a{i}"]
        assert curve["mjd_tai"].tolist() == own["mjd"].tolist()
        assert curve["flux_njy"] == pytest.approx(own["flux"].to_numpy(), rel=1e-6)
        assert curve["detected"].tolist() == own["detected"].tolist()
    known = sky.objects.contexts
    assert known["host_photoz"] == pytest.approx(
        [0.1, np.nan, 0.0], nan_ok=True
    )  # of the RR Lyrae: it is in our Galaxy
    assert known["host_photoz_err"] == pytest.approx([0.022, np.nan, 0.0], nan_ok=True)
    assert known["mwebv"] == pytest.approx([0.02, np.nan, 0.5], nan_ok=True)
    blind = sky.without_context().contexts
    assert np.isnan(blind["host_photoz"]).all()
    assert np.isnan(blind["mwebv"]).all()
    assert (blind["ddf"] == -1).all()


def test_an_error_of_the_redshift_is_taken_where_there_is_one(tmp_path: Path) -> None:
    write_sky(tmp_path, "a", [90, 90], redshift_err=[0.3, np.nan])
    assert read_sky(tmp_path, "a").objects.contexts["host_photoz_err"] == pytest.approx([0.3, 0.022])


def test_what_is_of_no_class_or_typed_from_the_light_curve_is_not_judged(tmp_path: Path) -> None:
    write_sky(tmp_path, "a", [90, -1, 90], label=["spec", "spec", "phot"])
    assert read_sky(tmp_path, "a").objects.labels.tolist() == [90, UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    ("column", "value"),
    [("mjd", 2_459_000.5), ("band", "w"), ("flux", np.nan), ("flux", 1e13), ("flux_err", 0.0), ("flux_err", np.inf)],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, column: str, value: object) -> None:
    _, rows = write_sky(tmp_path, "a", [90, 42])
    rows.loc[11, column] = value
    rows.to_parquet(tmp_path / "a_observations.parquet")
    with pytest.raises(DataError, match=r"a_observations.parquet, row 11: object a1 has a time, band, flux or error"):
        read_sky(tmp_path, "a")


@pytest.mark.parametrize(("column", "value"), [("redshift", -1.0), ("redshift", 1e3), ("mwebv", -0.1)])
def test_a_context_that_cannot_be_is_named(tmp_path: Path, column: str, value: float) -> None:
    write_sky(tmp_path, "a", [90, 42], **{column: [0.1, value]})
    with pytest.raises(DataError, match=rf"a_objects.parquet: object a1 has a {column} outside 0 to"):
        read_sky(tmp_path, "a")


def test_tables_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no .*_objects.parquet; name a folder of labelled light curves"):
        read_skies(tmp_path)
    known, rows = write_sky(tmp_path, "a", [90, 42])
    rows[rows["object_id"] == "a0"].to_parquet(tmp_path / "a_observations.parquet")
    with pytest.raises(DataError, match=r"object a1 of .*a_objects.parquet has no rows"):
        read_sky(tmp_path, "a")
    rows.assign(object_id="b").to_parquet(tmp_path / "a_observations.parquet")
    with pytest.raises(DataError, match=r"object b is not in .*a_objects.parquet"):
        read_sky(tmp_path, "a")
    known.assign(object_id="a0").to_parquet(tmp_path / "a_objects.parquet")
    with pytest.raises(DataError, match="object a0 is there twice"):
        read_sky(tmp_path, "a")
    (tmp_path / "a_observations.parquet").unlink()
    known.to_parquet(tmp_path / "a_objects.parquet")
    with pytest.raises(DataError, match=r"a_observations.parquet is not there"):
        read_sky(tmp_path, "a")


@pytest.mark.skipif(not SKY.is_dir(), reason="real skies are beside the project, never in it")
def test_real_skies_are_read() -> None:
    skies = {sky.name: sky.objects for sky in read_skies(SKY)}
    assert (skies["ztf_snia"].labels == 90).sum() == 753
    assert (skies["sdss_rrlyrae"].contexts["host_photoz"] == 0).all()
    assert (skies["osc_sne_2010_2014"].labels == UNKNOWN).sum() > 300  # typed from the light curve
    elasticc = skies["elasticc"].contexts
    assert (elasticc["host_photoz_err"] > 0).sum() > 2000

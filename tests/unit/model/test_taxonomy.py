from model.taxonomy import (
    ANOMALY_CLASS,
    CLASS_IDS,
    CLASS_NAMES,
    CLASSES,
    GALACTIC_CLASSES,
    GALACTIC_MASK,
    METRIC_WEIGHTS,
)


def test_the_order_of_every_probability_vector():
    assert CLASS_IDS == (6, 15, 16, 42, 52, 53, 62, 64, 65, 67, 88, 90, 92, 95)


def test_every_class_has_one_number_and_one_name_in_each_survey():
    assert len({c.elasticc_id for c in CLASSES}) == len({c.name for c in CLASSES}) == 14
    assert set(CLASS_NAMES) == {*CLASS_IDS, ANOMALY_CLASS}


def test_galactic_classes_and_the_metrics_weights_stand_in_the_same_order():
    assert {i for i, galactic in zip(CLASS_IDS, GALACTIC_MASK, strict=True) if galactic} == GALACTIC_CLASSES
    assert {i for i, weight in zip(CLASS_IDS, METRIC_WEIGHTS, strict=True) if weight == 2} == {15, 64}

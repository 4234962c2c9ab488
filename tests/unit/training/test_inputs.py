import numpy as np

from model.features import INPUTS, encode, pad
from tests.support.plasticc import objects as some_objects
from training.inputs import SURVEYS, all_inputs, input_shares


def test_the_inputs_are_those_that_the_network_is_trained_on():
    objects = some_objects()
    observations, lengths = pad(objects.curves)
    encoded = encode(observations, lengths, objects.contexts).inputs
    wanted = np.concatenate([rows[:n] for rows, n in zip(encoded, lengths.tolist(), strict=True)])
    assert (all_inputs(objects) == wanted).all()


def test_each_survey_has_the_shares_of_what_its_packets_would_show():
    known = input_shares(some_objects(), 1)
    assert set(known.shares) == set(SURVEYS)
    u = INPUTS.index("band_u")
    assert known.shares["ztf"][u][1:].sum() == 0, "ZTF has no such band"
    assert known.shares["plasticc"][u][1:].sum() > 0

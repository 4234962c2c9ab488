import numpy as np

from tests.support.plasticc import objects
from training.examples import Example, plain_pool, show


def test_every_object_is_in_the_pool_as_it_is() -> None:
    data = objects(per_class=1)
    pool = plain_pool(data)
    assert [len(options) for options in pool] == [1] * len(data)
    assert pool[3][0].curve is data.curves[3]


def test_versions_are_shown_in_their_share_of_draws_and_all_of_them() -> None:
    options = [Example(np.empty(n), np.void(b"")) for n in range(4)]  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    drawn = [len(show(options, 0.6, rng).curve) for _ in range(2000)]
    assert 0.3 < drawn.count(0) / 2000 < 0.5
    assert set(drawn) == {0, 1, 2, 3}
    assert {len(show(options, 0.0, rng).curve) for _ in range(20)} == {0}
    assert {len(show(options[:1], 1.0, rng).curve) for _ in range(20)} == {0}

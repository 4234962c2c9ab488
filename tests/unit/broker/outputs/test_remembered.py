from broker.outputs.remembered import MOST, Remembered


def test_it_is_made_once_for_a_schema_and_forgotten_before_it_is_too_much():
    made = []
    remembered = Remembered(lambda schema, *more: made.append((schema, *more)) or len(made))
    schema = {"name": "a"}
    assert [remembered(schema), remembered(schema), remembered(schema, "b"), remembered(schema)] == [1, 1, 2, 1]
    for i in range(MOST):
        remembered({"name": str(i)})
    assert len(remembered._made) <= MOST
    assert remembered(schema) == len(made)

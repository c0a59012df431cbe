from simulator.arrays import Array, Ints

def place_block(
    scores: Array,
    rows: Ints,
    members: Array,
    first: int,
    last: int,
    rule: tuple[float, int, int, bool],
    rounding: float,
    calls_of_trace: int,
    clusters: Ints,
    pairs: Ints,
    calls: Ints,
    /,
) -> tuple[int, int, bool]: ...

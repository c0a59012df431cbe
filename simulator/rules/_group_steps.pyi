import numpy as np
import numpy.typing as npt

def steps(
    stored: npt.NDArray[np.uint16],
    window: int,
    side: int,
    tokens: npt.NDArray[np.int64],
    extremes: npt.NDArray[np.float64],
) -> int: ...

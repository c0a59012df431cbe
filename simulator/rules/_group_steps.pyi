import numpy as np
import numpy.typing as npt

def steps(stored: npt.NDArray[np.uint16], window: int, side: int) -> tuple[bytes, bytes]: ...

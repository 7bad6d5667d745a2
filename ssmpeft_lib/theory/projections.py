"""Lemmas 2 and 6 (Secs. 4.2 and C.4): does tuning W_in cover tuning W_B, W_C and W_dt?

Names are the checkpoint's. `x_proj` stacks W_B, W_C and the down-projection of the step size, [2H + R, D]. The paper
calls that last block "down" in Sec. 3 and "up" in Sec. C.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray


@dataclass(frozen=True)
class S6:
    """The simplified model of Sec. C.4: an input projection and an S6, with no convolution and no activation between.

    Attributes:
        in_proj: W_in, [D, D]; x_proj: [W_B; W_C; W_dt_down], [2H + R, D]; dt_proj: W_dt_up, [D, R]; A: [D, H].
    """

    in_proj: ndarray
    x_proj: ndarray
    dt_proj: ndarray
    A: ndarray

    @classmethod
    def random(cls, rng: np.random.Generator, d_inner: int, d_state: int, dt_rank: int) -> S6:
        """Normal weights, x_proj with 2 d_state + dt_rank rows, and A between -2 and -0.5."""
        rows = 2 * d_state + dt_rank
        return cls(
            in_proj=rng.normal(size=(d_inner, d_inner)) / np.sqrt(d_inner),
            x_proj=rng.normal(size=(rows, d_inner)) / np.sqrt(d_inner),
            dt_proj=rng.normal(size=(d_inner, dt_rank)),
            A=-rng.uniform(0.5, 2.0, (d_inner, d_state)),
        )

    def parameters(self, X: ndarray) -> tuple[ndarray, ndarray, ndarray]:
        """The paper's theta for inputs X [D, N]: B [H, N], C [H, N] and step sizes [D, N], from which A_bar follows."""
        H = self.A.shape[1]
        rows = self.x_proj @ (self.in_proj @ X)
        return rows[:H], rows[H : 2 * H], np.logaddexp(0.0, self.dt_proj @ rows[2 * H :])

    def run(self, X: ndarray, state: ndarray | float = 0.0) -> tuple[ndarray, ndarray]:
        """Outputs [D, N] and the last state [D, H] from that initial state."""
        z, (B, C, dt) = self.in_proj @ X, self.parameters(X)
        outputs = []
        for n in range(X.shape[1]):
            driven = (dt[:, n] * z[:, n])[:, None] * B[:, n]
            state = np.exp(dt[:, n, None] * self.A) * state + driven
            outputs.append(state @ C[:, n])
        return np.stack(outputs, axis=1), state


def covering_in_proj(frozen: S6, tuned_x_proj: ndarray, free: str = "frozen") -> ndarray:
    """Eq. (16): W_in_hat with x_proj W_in_hat = tuned_x_proj W_in.

    W_in_hat = V [S^-1 U^T tuned_x_proj W_in; Q] with the SVD x_proj = U [S 0] V^T. It needs
    D >= 2H + R and x_proj of full row rank, which the paper does not say.

    Args:
        free: the block Q that the paper leaves open. `zero`, or `frozen` for V_2^T W_in,
            which keeps the change of W_in at the rank of the change of x_proj.
    Raises:
        ValueError: x_proj is not of full row rank.
    """
    rows, columns = frozen.x_proj.shape
    if np.linalg.matrix_rank(frozen.x_proj) < rows:
        raise ValueError(
            f"covering_in_proj: x_proj [{rows}, {columns}] is not of full row rank; the lemma "
            "needs D >= 2H + R; closest_in_proj gives the best there is"
        )
    U, S, Vt = np.linalg.svd(frozen.x_proj)
    Q = Vt[rows:] @ frozen.in_proj if free == "frozen" else np.zeros((columns - rows, columns))
    return Vt.T @ np.vstack([(U.T @ tuned_x_proj @ frozen.in_proj) / S[:, None], Q])


def closest_in_proj(frozen: S6, tuned_x_proj: ndarray) -> ndarray:
    """The W_in_hat that comes closest to eq. (14) where no exact one exists (least squares)."""
    return np.linalg.lstsq(frozen.x_proj, tuned_x_proj @ frozen.in_proj, rcond=None)[0]


def with_in_proj(model: S6, in_proj: ndarray) -> S6:
    """The model with another input projection, and the rest as it is."""
    return replace(model, in_proj=in_proj)

"""A transformer for scikit-learn's pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._encoder import Encoder, Features

if TYPE_CHECKING:

    class BaseEstimator: ...

    class TransformerMixin: ...

else:
    try:
        from sklearn.base import BaseEstimator, TransformerMixin
    except ImportError:  # the class works by itself

        class BaseEstimator:  # noqa: D101
            pass

        class TransformerMixin:  # noqa: D101
            pass


class CurricleFeatures(TransformerMixin, BaseEstimator):
    """Features of images as a step of a pipeline: ``make_pipeline(CurricleFeatures("model.safetensors"), LogisticRegression())``.

    Args:
        weights: as ``Encoder``'s ``path``; the other arguments are the encoder's.

    Nothing is fitted: ``fit`` opens the encoder. ``transform`` takes what ``Encoder.features`` takes and returns float32 [N, width].
    """

    def __init__(
        self, weights: str, pool: str = "mean", precision: str = "f32", threads: int = 1, image_size: int | None = None,
        normalize: bool = False,
    ) -> None:  # fmt: skip
        self.weights = weights
        self.pool = pool
        self.precision = precision
        self.threads = threads
        self.image_size = image_size
        self.normalize = normalize

    def fit(self, images: Any, labels: Any = None) -> CurricleFeatures:
        """Opens the encoder; images and labels are not looked at."""
        self.encoder_ = Encoder(
            self.weights, pool=self.pool, precision=self.precision, threads=self.threads, image_size=self.image_size,
            normalize=self.normalize)  # fmt: skip
        return self

    def transform(self, images: Any) -> Features:
        """Features of images, float32 [N, width]."""
        if not hasattr(self, "encoder_"):
            self.fit(images)
        found = self.encoder_.features(images)
        return found.reshape(len(found), -1)

    def __sklearn_is_fitted__(self) -> bool:
        return True

"""A scorer whose every answer can be told by hand, for the tests of evaluation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.classifier import Explanation
from training.evaluation.scorer import Scorer

# Words of no meaning: the rude one decides.
RUDE, POLITE = "\u0628\u0637\u0628\u0637", "\u0633\u0645\u0633\u0645"


class Keyword(Scorer):
    """A scorer whose every answer can be told by hand: high if the rude word is there."""

    labels = ("toxicity",)

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([[0.9 if RUDE in text else 0.1] for text in texts]).reshape(-1, 1)

    def explain(self, texts: Sequence[str], label: str = "toxicity") -> list[Explanation]:
        assert label == "toxicity"
        contributions = [np.zeros(len(text)) for text in texts]
        for text, weights in zip(texts, contributions, strict=True):
            at = text.find(RUDE)
            if at >= 0:
                weights[at : at + len(RUDE)] = 1.0
        return [Explanation(t, label, w, 0.0) for t, w in zip(texts, contributions, strict=True)]

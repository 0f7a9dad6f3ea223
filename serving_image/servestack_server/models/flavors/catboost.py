"""CatBoost models, in an image with CatBoost. The stock image does not have it."""

from __future__ import annotations

from typing import Any

from servestack_contract.settings import Input, Trust
from servestack_contract.stock_image import variant_hint
from servestack_server.errors import StartError
from servestack_server.models.arrays import rows_to_array
from servestack_server.models.columns import feature_positions
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.model import Array, Loaded, Rows
from servestack_server.models.threads import thread_count
from servestack_server.models.versions import warn_other_version

_CLASSES = ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")


def load(artifact: Artifact, given: Input, trust: Trust) -> Loaded:
    """Load the model as the class that it was saved from.

    Rows become arrays of floats, or of objects if a column is categorical or text.
    """
    del trust  # the native format holds trees, no code
    try:
        import catboost
    except ImportError:
        raise StartError(
            f"{artifact.root.name}: is a CatBoost model, but this image has no catboost",
            variant_hint("catboost"),
        ) from None
    warn_other_version("catboost", artifact.framework_version, catboost.__version__, pickled=False)
    file = artifact.model_file
    kind = str(artifact.settings.get("model_type") or "CatBoost")
    model = getattr(catboost, kind if kind in _CLASSES else "CatBoost")()
    try:
        model.load_model(str(file), format=str(artifact.settings.get("save_format") or "cbm"))
    except catboost.CatBoostError as error:
        raise StartError(f"{file.name}: CatBoost cannot load it: {error}") from None
    function = getattr(model, artifact.predict_fn)
    positions = feature_positions(given.columns, model.feature_names_, artifact.root.name)
    textual = bool(model.get_cat_feature_indices() or model.get_text_feature_indices())
    threads = thread_count()

    def predict(rows: Rows) -> Array:
        data: Any = rows_to_array(rows, object if textual else float)  # type: ignore[arg-type]
        if positions is not None:
            data = data[:, positions]
        result: Array = function(data, thread_count=threads)
        return result

    return Loaded(predict, model)

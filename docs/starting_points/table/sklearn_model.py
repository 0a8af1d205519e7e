"""Load a scikit-learn model from a skops file, which says what it has and runs no code of its own.

A pickle or joblib file may run any code when it is opened, so it is never opened here.
"""

import sys
import warnings

import skops.io
from sklearn.exceptions import InconsistentVersionWarning

# What the usual models consist of, beyond what skops itself trusts. Never add what a file asks for
# unread. A made-up file with trees of numbers out of range can still crash the app: skops says so.
TRUSTED = [
    "builtins.object",
    "numpy.dtype",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.metrics._classification.balanced_accuracy_score",
    "sklearn.metrics._classification.f1_score",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.metrics._ranking.roc_auc_score",
    "sklearn.metrics._regression.mean_absolute_error",
    "sklearn.metrics._regression.mean_squared_error",
    "sklearn.metrics._regression.r2_score",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
]
SAVE = 'Where the model was trained, save it so: skops.io.dump(model, "model.skops")'
PICKLES = (b"\x80", b"\x78", b"\x1f\x8b", b"BZh", b"\xfd7z")  # plain, or as joblib compresses them


def load_model(file):
    """Return the model in a skops file, or end the program with a message that says what to do."""
    if not file.exists():
        others = [*file.parent.glob("*.joblib"), *file.parent.glob("*.p*kl*")]
        reason = f"{others[0].name} is a pickle, which can run any code. " if others else ""
        sys.exit(f"{file} is missing. {reason}{SAVE}")
    with open(file, "rb") as stream:
        if stream.read(4).startswith(PICKLES):
            sys.exit(f"{file} is a pickle or joblib file, which can run any code. {SAVE}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            model = skops.io.load(file, trusted=TRUSTED)
    except InconsistentVersionWarning as found:
        old, new = found.original_sklearn_version, found.current_sklearn_version
        sys.exit(
            f"{file} was saved with scikit-learn {old}, but the app has {new}. Write "
            f"scikit-learn=={old} in requirements.txt and constraints.txt, or retrain it."
        )
    except skops.io.exceptions.UntrustedTypesFoundException:
        unknown = {*skops.io.get_untrusted_types(file=file)} - {*TRUSTED}
        sys.exit(
            f"{file} needs {', '.join(sorted(unknown))}, which the app does not trust. Save a "
            "model without it (of a search, best_estimator_), or read what it does and add it to "
            "TRUSTED in sklearn_model.py."
        )
    except Exception as error:  # a damaged file, or one of another version: skops has many words
        sys.exit(f"{file} cannot be opened ({type(error).__name__}: {error}). {SAVE}")
    if not hasattr(model, "predict") or not hasattr(model, "feature_names_in_"):
        sys.exit(
            f"{file} has no model that knows the names of its columns. Train it with a table: "
            "model.fit(pandas_table, y), with nothing but texts as names of the columns."
        )
    return model

"""What runs in SuperNNova's environment: `classify_lcs` on curves as they grow, and what an alert costs it.

    python supernnova_side.py CURVES.parquet POINTS REPEATS

After each observation of a curve the whole curve so far is classified: its network keeps no state. Every fourth length
is timed, from 2 on; the last line of standard output is a JSON list, microseconds an alert of each repeat.
"""

import itertools
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import torch

warnings.simplefilter("ignore")

from supernnova.training.vanilla_rnn import VanillaRNN  # noqa: E402
from supernnova.validation.validate_onthefly import classify_lcs  # noqa: E402

FILTERS = ["u", "g", "r", "i", "z", "y"]
COMBINATIONS = ["".join(some) for n in range(1, 7) for some in itertools.combinations(FILTERS, n)]
TO_NORMALIZE = [*(f"FLUXCAL_{f}" for f in FILTERS), *(f"FLUXCALERR_{f}" for f in FILTERS), "delta_time"]
FEATURES = [*TO_NORMALIZE, *COMBINATIONS]
STEP = 4
DEFAULTS = {
    "model": "vanilla", "pytorch_model_name": "vanilla", "layer_type": "lstm", "hidden_dim": 32, "num_layers": 2,
    "dropout": 0.05, "bidirectional": True, "rnn_output_option": "mean", "nb_classes": 2, "batch_size": 128,
    "norm": "global", "redshift": "none", "sntypes": {"101": "Ia", "120": "IIP"}, "sntype_var": "SNTYPE",
    "photo_window_var": "PEAKMJD", "additional_train_var": None, "seed": 0, "use_cuda": False, "weight_decay": 0.0,
    "num_inference_samples": 1, "list_filters": FILTERS, "list_filters_combination": COMBINATIONS,
    "all_features": FEATURES, "training_features": FEATURES, "training_features_to_normalize": TO_NORMALIZE,
    "redshift_features": [], "no_dump": True, "cyclic": False, "preprocessed_dir": "", "fits_dir": "", "raw_dir": "",
}  # fmt: skip


def untrained(folder: Path) -> str:
    """The file of a model of its default size, with all that is read beside it."""
    (folder / "cli_args.json").write_text(json.dumps(DEFAULTS))
    norm = {name: {"min": -100.0, "mean": 2.0, "std": 1.0} for name in TO_NORMALIZE}
    (folder / "data_norm.json").write_text(json.dumps(norm))
    torch.save(VanillaRNN(len(FEATURES), SimpleNamespace(**DEFAULTS)).state_dict(), folder / "vanilla.pt")
    return str(folder / "vanilla.pt")


def main() -> None:
    curves, points, repeats = pd.read_parquet(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    day = curves.groupby("SNID").cumcount()
    alerts = curves["SNID"].nunique()
    with tempfile.TemporaryDirectory() as folder:
        model = untrained(Path(folder))
        classify_lcs(curves[day < STEP].copy(), model, "cpu")  # what is done once
        found = []
        for _ in range(repeats):
            took = []
            for length in range(2, points, STEP):
                so_far = curves[day < length].copy()
                began = time.perf_counter()
                names, chances = classify_lcs(so_far, model, "cpu")
                took.append(1e6 * (time.perf_counter() - began) / alerts)
                assert len(names) == len(chances) == alerts
            found.append(sum(took) / len(took))
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()

"""Models that train weights: factors of ratings, the networks, the hybrid."""

from crossmodal.modalities import LASTING
from models.catalogue.entry import Benchmark, ModelEntry
from models.catalogue.shared import DECAY
from models.catalogue.space import OneOf, Real, Space, Whole
from models.splits.names import RANDOM, RANKED_SPLITS, USER_TEMPORAL, WARM_AND_COLD, WARM_SPLITS

_DROPOUT = Real(0.0, 0.6)

_EPOCHS_AND_SEED = {"epochs": "training_epochs", "seed": "seed"}

LEARNING = (
    ModelEntry(
        "matrix_factorisation",
        "User and item embeddings, fitted to ratings by squared error.",
        "models.matrix_factorisation:MatrixFactorisation",
        "models.matrix_factorisation:MatrixFactorisationConfig",
        (RANDOM,),
        from_platform={"form": "matrix_factorisation", "seed": "seed"},
        takes=("on_epoch",),
        learns=True,
        benchmark=Benchmark(
            "baseline",
            (USER_TEMPORAL, RANDOM),
            # As many as cornac's MF is tuned over.
            (
                {"form": "concat"},
                {"form": "dot"},
                {"form": "dot", "dim": 64},
                {"form": "dot", "dim": 16},
                {"form": "dot", "strength": 0.1},
                {"form": "dot", "strength": 0.2},
                {"form": "dot", "dim": 64, "strength": 0.1},
                {"form": "dot", "dim": 64, "bias_strength": 0.02},
            ),
            refits=True,
        ),
    ),
    ModelEntry(
        "mmnn",
        "Multimodal network: an item's tokens concatenated, a user by what they did last.",
        "models.mmnn:MMNN",
        "models.mmnn:MMNNConfig",
        WARM_AND_COLD,
        fixed={"operator": "concatenation"},
        from_platform=_EPOCHS_AND_SEED,
        takes=("device", "on_epoch"),
        code_version="11",
        learns=True,
        space=Space(
            {
                "dim": OneOf((32, 64, 128)),
                "layers": Whole(0, 3),
                "heads": Whole(1, 8),
                "history": Whole(20, 200, log=True),
                "components": Whole(8, 64, log=True),
                "dropout": _DROPOUT,
                "id_dropout": _DROPOUT,
                "modality_dropout": _DROPOUT,
                "rating_weight": Real(0.0, 1.0),
                "learning_rate": Real(1e-3, 3e-2, log=True),
                "averaging": Real(0.8, 0.99),
                "weight_decay": Real(1e-3, 1.0, log=True),
                "batch_size": OneOf((128, 256, 512)),
                "horizon": Whole(5, 50, log=True),
            }
        ),
        benchmark=Benchmark("ours", WARM_AND_COLD),
    ),
    ModelEntry(
        "mmnn_gated_attention",
        "Multimodal network with the tokens of an item fused by gated attention.",
        "models.mmnn:MMNN",
        "models.mmnn:MMNNConfig",
        WARM_AND_COLD,
        fixed={"operator": "gated_attention"},
        from_platform=_EPOCHS_AND_SEED,
        takes=("device", "on_epoch"),
        family="mmnn",
        code_version="10",
        learns=True,
        optional=True,
    ),
    ModelEntry(
        "transformer",
        "Encoder of item tokens, causal decoder over histories, candidates that look back.",
        "models.transformer:Transformer",
        "models.transformer:TransformerConfig",
        RANKED_SPLITS,
        ordered=True,
        takes=("device", "on_epoch"),
        code_version="5",
        learns=True,
        optional=True,
        space=Space(
            {
                "dim": OneOf((32, 64, 128)),
                "heads": OneOf((1, 2, 4, 8)),
                "layers": Whole(0, 3),
                "history": Whole(16, 64, log=True),
                "components": Whole(8, 64, log=True),
                "transition_gain": Real(0.0, 300.0),
                "dropout": _DROPOUT,
                "id_dropout": _DROPOUT,
                "modality_dropout": _DROPOUT,
                "learning_rate": Real(3e-4, 1e-2, log=True),
                "averaging": Real(0.8, 0.99),
                "weight_decay": Real(1e-3, 1.0, log=True),
                "positions": Whole(4, 16, log=True),
                "horizon": Whole(5, 50, log=True),
                "horizon_decay": DECAY,
                "focus": Real(0.0, 1.0),
            }
        ),
        benchmark=Benchmark("ours", WARM_AND_COLD),
    ),
    ModelEntry(
        "gat",
        "Graph attention over users, items and each modality's nearest items.",
        "models.gat:GAT",
        "models.gat:GATConfig",
        RANKED_SPLITS,
        takes=("device", "on_epoch"),
        code_version="5",
        learns=True,
        optional=True,
        space=Space(
            {
                "dim": OneOf((32, 64, 128)),
                "layers": Whole(1, 2),
                "heads": OneOf((1, 2, 4, 8)),
                "user_heads": Whole(1, 8),
                "history": Whole(20, 100, log=True),
                "components": Whole(8, 64, log=True),
                "neighbours": Whole(4, 30, log=True),
                "dropout": _DROPOUT,
                "attention_dropout": _DROPOUT,
                "id_dropout": _DROPOUT,
                "modality_dropout": _DROPOUT,
                "learning_rate": Real(1e-3, 3e-2, log=True),
                "averaging": Real(0.8, 0.99),
                "weight_decay": Real(1e-3, 1.0, log=True),
                "horizon": Whole(5, 50, log=True),
            }
        ),
        benchmark=Benchmark("ours", WARM_AND_COLD),
    ),
    ModelEntry(
        "hmdf",
        "Hybrid: what past items, content and counts say of an item, weighed by LambdaRank.",
        "models.hmdf:HMDF",
        "models.hmdf:HMDFConfig",
        WARM_SPLITS,
        from_platform={"networks": "hybrid_networks", "seed": "seed"},
        takes=("on_epoch", "executor"),
        code_version="15",
        reads=LASTING,
        learns=True,
        impressions=True,
        # Only what shapes the trees: the retrievers and their slices are the same in every trial.
        space=Space(
            {
                "leaves": Whole(7, 63, log=True),
                "learning_rate": Real(0.01, 0.2, log=True),
                "leaf_rows": Whole(10, 300, log=True),
                "penalty": Real(0.1, 100.0, log=True),
                "feature_share": Real(0.2, 1.0),
                "row_share": Real(0.4, 1.0),
                "truncation": Whole(10, 60, log=True),
            },
            warm_steps=60,
            step=20,
        ),
        benchmark=Benchmark("ours", WARM_SPLITS),
    ),
)
"""In the order of every table, after those that count."""

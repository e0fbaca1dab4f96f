"""Models that count or solve: chance, popularity, neighbours, linear maps, factors, content."""

from crossmodal.modalities import LASTING, MODALITIES
from models.catalogue.entry import Benchmark, Choices, ModelEntry
from models.catalogue.shared import DECAY
from models.catalogue.space import Real, Space, Whole
from models.splits.names import COLD_ITEM, RANKED_SPLITS, WARM_AND_COLD, WARM_SPLITS


def _tuned(*grid: Choices) -> Benchmark:
    """Of a baseline on the warm splits, tuned over these settings."""
    return Benchmark("baseline", WARM_SPLITS, grid, refits=True)


_EVERYONE = (
    ModelEntry(
        "random",
        "Chance: the floor of every metric.",
        "models.baselines:RandomRanking",
        None,
        RANKED_SPLITS,
        control=True,
        yardstick=True,
        benchmark=Benchmark("baseline", RANKED_SPLITS),
    ),
    ModelEntry(
        "popularity",
        "The same list for everyone: what most training events were about.",
        "models.baselines:Popularity",
        None,
        RANKED_SPLITS,
        yardstick=True,
        benchmark=Benchmark("baseline", RANKED_SPLITS, refits=True),
    ),
    ModelEntry(
        "recent_popularity",
        "The same list for everyone: what was chosen of late.",
        "models.baselines:RecentPopularity",
        "models.baselines:RecentPopularityConfig",
        RANKED_SPLITS,
        ordered=True,
        benchmark=_tuned({"half_life_days": 30}, {"half_life_days": 120}, {"half_life_days": 365}),
    ),
)

_BEHAVIOUR = (
    ModelEntry(
        "item_knn",
        "Nearest items by who chose both.",
        "models.baselines:ItemKNN",
        "models.baselines:ItemKNNConfig",
        RANKED_SPLITS,
        code_version="3",
        space=Space(
            {
                "neighbours": Whole(20, 500, log=True),
                "shrinkage": Real(0.0, 100.0),
                "decay": DECAY,
            }
        ),
        benchmark=_tuned(
            {}, {"neighbours": 300}, {"decay": 0.85}, {"decay": 1.0}, {"shrinkage": 50.0}
        ),
    ),
    ModelEntry(
        "ease",
        "Linear item-to-item model in closed form, over what a user did last.",
        "models.baselines:EASE",
        "models.baselines:EASEConfig",
        RANKED_SPLITS,
        code_version="5",
        yardstick=True,
        space=Space({"strength": Real(10.0, 3000.0, log=True), "decay": DECAY}),
        benchmark=_tuned(
            {"decay": 1.0},
            {"decay": 1.0, "strength": 600.0},
            {},
            {"decay": 0.8},
            {"strength": 150.0},
            {"strength": 600.0},
        ),
    ),
    ModelEntry(
        "transition",
        "What followed what along users' histories.",
        "models.baselines:Transition",
        "models.baselines:TransitionConfig",
        RANKED_SPLITS,
        ordered=True,
        code_version="3",
        yardstick=True,
        space=Space(
            {
                "steps": Whole(2, 60, log=True),
                "step_decay": DECAY,
                "last": Whole(2, 60, log=True),
                "decay": DECAY,
                "power": Real(0.0, 0.7),
                "shrinkage": Real(0.5, 50.0, log=True),
            }
        ),
        benchmark=_tuned(
            {},
            {"steps": 10, "step_decay": 0.8},
            {"steps": 50, "step_decay": 0.95},
            {"last": 10, "decay": 0.7},
            {"last": 50, "decay": 0.92},
            {"power": 0.2},
            {"power": 0.4},
            {"shrinkage": 2.0},
        ),
    ),
    ModelEntry(
        "als",
        "Matrix factorisation of who chose what, by alternating least squares.",
        "models.baselines:ALS",
        "models.baselines:ALSConfig",
        RANKED_SPLITS,
        code_version="4",
        space=Space(
            {
                "factors": Whole(16, 128, log=True),
                "confidence": Real(0.25, 40.0, log=True),
                "strength": Real(1.0, 100.0, log=True),
                "iterations": Whole(5, 20),
            }
        ),
        benchmark=_tuned(
            {}, {"factors": 32}, {"factors": 128}, {"strength": 20.0}, {"confidence": 3.0}
        ),
    ),
)

_CONTENT = (
    ModelEntry(
        "cold_start_map",
        "From an item's content to the taste of its choosers, by kernel ridge regression.",
        "models.baselines:ColdStartMap",
        "models.baselines:ColdStartMapConfig",
        WARM_AND_COLD,
        code_version="9",
        reads=LASTING,
        space=Space(
            {
                "factors": Whole(32, 256, log=True),
                "confidence": Real(0.5, 20.0, log=True),
                "shrinkage": Real(1.0, 100.0, log=True),
                "components": Whole(16, 128, log=True),
                "decay": DECAY,
            }
        ),
        searched_on=COLD_ITEM,
        benchmark=Benchmark("ours", (COLD_ITEM,), refits=True),
    ),
    *(
        ModelEntry(
            f"content_{modality}",
            f"Nearest items by {modality} alone, with nothing learned.",
            "models.baselines:Content",
            "models.baselines:ContentConfig",
            WARM_AND_COLD,
            fixed={"modality": modality},
            family="content",
            code_version="4",
            modality=modality,
            reads=(modality,),
            benchmark=Benchmark("baseline", WARM_AND_COLD),
        )
        for modality in MODALITIES
    ),
)

COUNTING = (*_EVERYONE, *_BEHAVIOUR, *_CONTENT)
"""In the order of every table."""

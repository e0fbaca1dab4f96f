"""What the measures of drift are called."""

PSI, WASSERSTEIN, MEAN_SHIFT = "psi", "wasserstein", "mean_shift"
NEAR_DUPLICATES, MISSING = "near_duplicates", "missing"
FALLBACK, CLICK_THROUGH = "fallback", "click_through"

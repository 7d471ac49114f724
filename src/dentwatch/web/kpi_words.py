"""KPIs in the words of the business: what each is called on its page, and what it says."""

WORDS: dict[str, tuple[str, str]] = {
    "detection_accuracy": ("Detection accuracy", "of all that people judged or missed, how much was right"),
    "precision": ("Precision", "of the damage that was reported, how much is there"),
    "recall": ("Recall", "of the damage that is there, how much was reported"),
    "false_positive_rate": ("False-positive rate", "reported, but not there: cars look worse than they are"),
    "false_negative_rate": ("False-negative rate", "there, but not reported: cars look better than they are"),
    "photo_accuracy": ("Photo-level accuracy", "photos that were rightly called damaged, or not"),
    "photo_ms_p50": ("Half of photos within", "a typical photo"),
    "photo_ms_p95": ("95 of 100 photos within", "all but a few photos"),
    "photo_ms_p99": ("99 of 100 photos within", "the slowest that still matter"),
    "inspection_ms_p50": ("Half of inspections within", "a typical car"),
    "inspection_ms_p95": ("95 of 100 inspections within", "all but a few cars"),
    "inspection_ms_p99": ("99 of 100 inspections within", "the slowest that still matter"),
    "satisfaction_mean": ("User satisfaction", "mean of the stars that people gave"),
    "satisfaction_share": ("Ratings of 4 or 5", "how many are content or more"),
    "adoption_rate": ("Adoption rate", "of the cars offered for sale, how many were inspected here"),
    "cost_savings": ("Cost savings", "less than looking at every car by hand"),
    "price_error": ("Price error", "by which wrong and missed damage moves a price, on average"),
    "cpu_seconds_per_photo": ("Processor time per photo", "what a photo costs in computing"),
    "load_growth": ("Growth with load", "how much dearer a photo gets when most is going on"),
    "resident_bytes": ("Memory at most", "of all worker processes together"),
}
"""By KPI: its title, and a few words that go with the figure."""

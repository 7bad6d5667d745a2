"""The paper's methods, one file each: where it acts, what it trains, with which defaults, and where that is said."""

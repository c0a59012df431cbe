"""The page Trade-off; `leaderboard_app.tradeoff` builds what it shows."""

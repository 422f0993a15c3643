"""Who is measured: one file per side. How and when is decided in `bench.rows`."""

"""Who is calling: access tokens, the people they stand for, and how they are looked up."""

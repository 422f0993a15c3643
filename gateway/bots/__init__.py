"""Chat bots: a person writes to the team's bot and has an access token within seconds."""

"""`gateway serve`."""

import typer

from gateway.settings import load_settings
from gateway.supervisor import serve

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def command() -> None:
    """Serve OpenAI's API, until SIGTERM or Ctrl-C.

    Migrates the database if needed (one process at a time does), then starts HTTP workers and,
    without AMQP_URL, the consumer that stores records. Settings come from the environment or a
    .env file; with none at all it serves on 127.0.0.1:8090 with made-up answers.

    Example:   OPENAI_API_KEY=sk-… gateway serve
    """
    raise typer.Exit(serve(load_settings()))

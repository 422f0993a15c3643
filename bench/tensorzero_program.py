"""Runs in TensorZero's own environment: starts the HTTP gateway that its wheel contains, and waits.

python tensorzero_program.py CONFIGURATION FILE-FOR-ITS-ADDRESS
"""

import signal
import sys
from pathlib import Path

from openai import OpenAI
from tensorzero import patch_openai_client  # type: ignore[import-not-found]

client = patch_openai_client(OpenAI(api_key="none"), config_file=sys.argv[1], async_setup=False)
Path(sys.argv[2]).write_text(str(client.base_url))
signal.sigwait({signal.SIGTERM, signal.SIGINT})

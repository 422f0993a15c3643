"""Postgres, RabbitMQ and Redis for the tests: found, or started where there are none; a browser.

python -m scripts.services                 find or start them, and say where they are
python -m scripts.services COMMAND …       the same, then run the command with their addresses
python -m scripts.services --stop          stop what was started here
"""

"""One file per chat provider; `gateway.bots.table` lists them, `gateway.bots.bot` says what each
must be able to do."""

"""An upstream with made-up answers, so that everything can be tried with no key and no network."""

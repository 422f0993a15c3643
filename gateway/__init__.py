"""The program that clients call: it admits, forwards, streams and spools; it stores nothing."""

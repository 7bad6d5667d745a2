"""Spider's SQL: its grammar and hardness levels, and running untrusted queries in a process of their own."""

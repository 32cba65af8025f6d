"""The running product, driven from outside: official SDKs, the command line, raw sockets."""

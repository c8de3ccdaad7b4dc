"""The version, once: the package and the User-Agent read it."""

VERSION = "0.1.0"

"""The page behind the link in a mail: the decision card alone."""

"""What attacks, chains and training take on a GPU: ``make gpu``, at most nine minutes.

``--smoke`` runs all of it with tiny nets on whatever device there is, in seconds.
"""

"""What has nothing to do with energies: names, signatures, checks, files, the hub, processes.

Private to the package. Nothing here imports another room.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch is loaded, as `jeat` does

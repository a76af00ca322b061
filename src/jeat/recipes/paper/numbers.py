"""The paper's printed numbers (Zhu et al., ICCV 2021, Tables 1-3), of a WRN-28-10.

Accuracies are shares. The paper prints no spread, no pixel range and no estimator;
``docs/readings.md`` says how each number is read.
"""

__all__ = ["PAPER"]

PAPER: dict[str, dict[str, dict[str, dict[str, float]]]] = {
    "cifar10": {
        "Table 1": {
            "accuracy": {"normal": 0.9439},
            "pgd_20": {"normal": 0.0012},
            "energy_pgd_20": {"normal": 0.0011},
        },
        "Table 2": {
            "jfs": {"normal": 6.97, "at": 2.83, "jem": 0.330, "jeat": 0.023},
            "mfs": {"normal": 23.08, "at": 3.12, "jem": 1.44, "jeat": 0.15},
            "is": {"at": 7.50, "jem": 8.66, "jeat": 8.80},
            "fid": {"at": 60.90, "jem": 38.40, "jeat": 38.24},
        },
        "Table 3": {
            "accuracy": {"glow": 0.676, "igebm": 0.4506, "jem": 0.929, "jeat": 0.8516},
            "pgd_20": {"igebm": 0.3219, "jem": 0.0611, "jeat": 0.3055},
        },
    },
    "cifar100": {
        "Table 1": {
            "accuracy": {"normal": 0.7854},
            "pgd_20": {"normal": 0.0008},
            "energy_pgd_20": {"normal": 0.0010},
        },
    },
}
"""{data: {table: {column: {method: value}}}}. Table 1's attacks are under PGD-20: one step cannot
reach 0.1 %, so they are read as iterated."""

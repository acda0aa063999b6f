"""Datasets: FERPlus and RAF-DB readers, imbalance protocols, augmentation."""

"""Models as the arithmetic that their framework does, without the framework.

A plan is a list of steps. Each does with numpy what one estimator does, in the same order and in the
same types, so that it gives the same numbers (docs/adr/0017). Trees alone are walked by other
programs: ONNX Runtime, and XGBoost's own library for batches of its trees.
"""

"""Training and testing in each framework. Only these modules and ``transfer.adapters`` import one."""

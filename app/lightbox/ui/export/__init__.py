"""Export: the wizard that de-identifies and exports."""

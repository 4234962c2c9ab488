"""What an operator asks afterwards: where every offset went, dead letters read back and sent again."""

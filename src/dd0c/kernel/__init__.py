"""What every product stands on. The kernel knows no product."""

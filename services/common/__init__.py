"""What every service must agree on; it imports none of them."""

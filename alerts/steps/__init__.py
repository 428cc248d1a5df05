"""Small pure steps from alerts to the alerts that go on; each is tested alone, and their order is data."""

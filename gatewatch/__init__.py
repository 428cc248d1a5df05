"""gatewatch: watches Amazon API Gateway traffic."""

__version__ = "0.1.0"

"""Sites, the tenants of the service: their keys, settings and quotas."""

"""Single sign-on by OpenID Connect: the provider, and what its tokens say."""

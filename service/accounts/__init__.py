"""The accounts of the people who moderate."""

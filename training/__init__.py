"""Turns labelled comments into a new artefact and refuses to promote a worse one."""

"""Learning the sentence scorer: from texts to a small transformer, and from it to an ONNX graph.

Everything here but the commands needs the extra ``sentence`` (torch); the service needs none of it.
"""

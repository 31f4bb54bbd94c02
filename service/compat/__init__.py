"""Wire formats of other services, over the same classifier and the same queue.

One module per format; each of them only translates, and answers every error in the form that its
clients expect. ``BLUEPRINTS`` is what the composition root registers.
"""

from service.compat import coral, openai, perspective

BLUEPRINTS = (perspective.blueprint, coral.blueprint, openai.blueprint)

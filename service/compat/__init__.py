"""Wire formats of other services, over the same classifier and the same queue.

One module or folder per format; each of them only translates, and answers every error in the form
that its clients expect. ``BLUEPRINTS`` is what the composition root registers, and ``FORMS`` says
under which addresses even what no blueprint answers has one of these forms.
"""

from service.compat import coral, openai
from service.compat.perspective import errors, routes

BLUEPRINTS = (routes.blueprint, coral.blueprint, openai.blueprint)
FORMS = {
    "/v1alpha1": errors.answer,
    "/comments:": errors.answer,
    "/$discovery": errors.answer,
    "/v1/moderations": openai.refuse,
}

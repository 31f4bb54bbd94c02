"""Wire formats of other services, over the same classifier and the same queue.

One module per format; each of them only translates, and answers every error in the form that its
clients expect. ``BLUEPRINTS`` is what the composition root registers, and ``FORMS`` says under
which addresses even what no blueprint answers has one of these forms.
"""

from service.compat import coral, google_errors, openai, perspective

BLUEPRINTS = (perspective.blueprint, coral.blueprint, openai.blueprint)
FORMS = {
    "/v1alpha1": google_errors.answer,
    "/comments:": google_errors.answer,
    "/$discovery": google_errors.answer,
    "/v1/moderations": openai.refuse,
}

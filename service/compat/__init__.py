"""Wire formats of other services: each is translated, and errors look as its clients expect."""

from service.compat import coral, openai
from service.compat.perspective import errors, routes

BLUEPRINTS = (routes.blueprint, coral.blueprint, openai.blueprint)
FORMS = {  # of errors under these addresses, also where no blueprint answers
    "/v1alpha1": errors.answer,
    "/comments:": errors.answer,
    "/$discovery": errors.answer,
    "/v1/moderations": openai.refuse,
    "/v1/models": openai.refuse,
}

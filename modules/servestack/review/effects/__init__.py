"""What a change does, in words and with a category: the tables behind `servestack diff`.

To add an effect, add a row to the table of its place:

| what changes | file |
| --- | --- |
| the server's settings (`service.json`) | `settings.py` |
| Filebeat's configuration (`filebeat.yml`) | `shipping.py` |
| who may call, what is reachable, rights of the pods | `access.py` |
| the pods: their security, images, Secrets, artifacts | `pods.py` |
| a field that disappears, and for which the API then takes a default | `vanishing.py` |
| a shadow, and the copies that it gets (`shadow.json`) | `shadow.py` |
| how a Rollout brings versions in, and takes over from a Deployment | `rollouts.py` |
| everything else: the general words of each kind | `objects.py` |
| a setting of the environment that changes no object | `environment.py` |

`table.py` has the categories and the forms of words, `lookup.py` looks changes up. A row says
where, which field, which category, which words. Every row of the first five tables that fits
counts, each for itself; the general table stands in with its first row that fits.
"""

from servestack.review.effects.lookup import effects_of, effects_together
from servestack.review.effects.table import CATEGORIES, Category, Effect, in_order

__all__ = ["CATEGORIES", "Category", "Effect", "effects_of", "effects_together", "in_order"]

// The models as a command line needs them: its nouns, their fields, what they refer to.  The server
// tells them (GET /models); a command that reaches none makes them of the same models itself.

import { type Catalogue, echoOf, filtersOf, kindsOf, ownerOf } from '../rest/catalogue.ts'
import { managedFields } from '../rest/ports.ts'
import { modelSchemas } from './schemas.ts'

/** All kinds of objects, as /models gives them. */
export const descriptions = (catalogue: Catalogue): unknown[] =>
  catalogue.models.map(model => describe(model, catalogue))

function describe(model: Catalogue['models'][number], catalogue: Catalogue): unknown {
  const { whole, create } = modelSchemas(model, managedFields)
  return {
    kind: model.kind,
    plural: model.plural,
    summary: model.summary,
    fields: { ...whole.properties, ...create.properties }, // what is never shown may be set
    settable: Object.keys(create.properties ?? {}),
    required: create.required,
    example: create.examples?.[0],
    filters: filtersOf(model),
    ordered: model.ordered,
    owner: ownerOf(model)?.field,
    implied: echoOf(model),
    references: {
      ...Object.fromEntries(model.references.map(each => [each.field, kindsOf(each)])),
      ...Object.fromEntries(
        Object.entries(model.status?.references ?? {}).map(([field, kind]) => [field, [kind]])
      )
    },
    below: catalogue.nested
      .filter(nested => nested.parent === model)
      .map(({ name, child, owned }) => ({ name, kind: child.kind, owned }))
  }
}

// The OpenAPI 3.1 document as a whole; its paths come from the routes, its schemas from the models.

import type { SwaggerOptions } from '@fastify/swagger'

const description = `Virtual devices, as plugins bring them, and the ports between them. Lists are
plain arrays; where there is more, the Link header says how to go on. An object's version is its
ETag; If-Match makes a change conditional. Refusals have one shape, Error, and change nothing.`

/** What the OpenAPI document says besides its routes. */
export const documentOptions = (withToken: boolean): SwaggerOptions => ({
  openapi: {
    openapi: '3.1.0',
    info: { title: 'Mezzo', description, version: '1.0.0', license: { name: 'Apache-2.0' } },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    security: withToken ? [{ token: [] }] : []
  },
  refResolver: {
    // Components are called as we call them, not def-0, def-1.
    buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `def-${i}`)
  }
})

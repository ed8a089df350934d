// Which methods a path knows: the difference between 404 (nothing here) and 405 (not like this).

import type { FastifyInstance } from 'fastify'

/** Gives a function that says which methods a path knows, for 405 (RFC 9110 §15.5.6). */
export function methodsAt(app: FastifyInstance): (url: string) => string[] {
  const routes: { pattern: RegExp; methods: readonly string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.replace(/\./g, '\\.').replace(/:[a-z]+/g, '[^/]+')}/?$`)
    routes.push({ pattern, methods: Array.isArray(method) ? method : [method] })
  })
  return url => {
    const path = url.split('?', 1)[0]!
    const found = routes.filter(route => route.pattern.test(path)).flatMap(route => route.methods)
    return [...new Set(found)].sort()
  }
}

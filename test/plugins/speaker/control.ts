// A speaker of routing protocols without a protocol: what it is told by its routes it gives to the
// router, as a plugin that learns them from outside would. test/plugins/routes.test.ts uses it.

import { type LearnedHop, Routes } from '../../../plugins/router/token.ts'
import { Api, defineControl } from '../../../src/control.ts'

const ORIGIN = 'speaker'

interface Learned {
  readonly router: string
  readonly prefix: string
  readonly nextHops: readonly LearnedHop[]
}

export default defineControl({
  name: ORIGIN,
  needs: { api: Api, routes: Routes },
  routes: [
    {
      method: 'PUT',
      path: '/route',
      id: 'putSpeakerRoute',
      summary: 'Learns a route.',
      body: { type: 'object', additionalProperties: true }
    },
    {
      method: 'DELETE',
      path: '/route',
      id: 'withdrawSpeakerRoute',
      summary: 'Forgets the routes it has learned of a router, or one of them.',
      query: { router: { type: 'string' }, prefix: { type: 'string' } }
    }
  ],
  setup({ api, routes }) {
    api.answer('putSpeakerRoute', ({ body }) => {
      const { router, prefix, nextHops } = body as Learned
      return routes.put(router, ORIGIN, prefix, nextHops)
    })
    api.answer('withdrawSpeakerRoute', ({ query: { router = '', prefix } }) =>
      routes.withdraw(router, ORIGIN, prefix)
    )
    return undefined
  }
})

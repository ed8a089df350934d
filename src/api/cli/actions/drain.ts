// Leading the traffic from outside away from a host, and back.

import type { Context } from '../words/context.ts'
import { type Action, ids, nothing } from './action.ts'

const draining =
  (drain: true | null) =>
  async ({ client, names, out }: Context, words: readonly string[]): Promise<void> => {
    const [host] = await ids(words, [['host']], 'HOST', names)
    const answer = await client.send('PATCH', `/hosts/${host}`, { drain })
    await out(answer, nothing)
  }

/** Of gateways; other hosts have nothing to lead away. */
export const drainActions: readonly Action[] = [
  {
    noun: 'host',
    verb: 'drain',
    words: 'HOST',
    summary: 'Lead traffic from outside to other gateways; sessions and connections stay.',
    run: draining(true)
  },
  {
    noun: 'host',
    verb: 'undrain',
    words: 'HOST',
    summary: 'Take traffic from outside again.',
    run: draining(null)
  }
]

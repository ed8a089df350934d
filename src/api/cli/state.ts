// Flow state, as a person looks at it.

import { type Action, nothing } from './action.ts'
import { usage } from './client.ts'

export const stateActions: readonly Action[] = [
  {
    noun: 'state',
    verb: 'rotate-key',
    words: '',
    summary: 'Make a new secret for the messages of flow state; nobody is told what it is.',
    async run({ client, out }, words) {
      if (words.length > 0) throw usage('expected mezzo state rotate-key')
      await client.send('DELETE', '/state-key')
      await out({}, nothing)
    }
  }
]

// What an agent says of its host while it lives: an entry that goes with the agent's session, and
// beside it, for as long as the host is known, when it was last seen.  Each host has a table of its
// own: who asks for none of them hears nothing of what they say every ten seconds.
// test/api/hosts.test.ts holds it.

import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import type { Status } from '../model.ts'

/** Of a host: what its agent says of it, and when it was seen last. */
export const hostTable = (host: string): string => `host/${host}`
/** What its agent says of it. */
export const REGISTRATION = 'registration'
/** When it was seen last, ms since 1970; such a host is some machine's for good. */
export const SEEN = 'seen'

/** Interfaces and addresses that are told, of each so many. */
export const TOLD_MAX = 64
const TEXT_MAX = 255

const Text = (description: string) => Type.String({ maxLength: TEXT_MAX, description })
const Count = (description: string) => Type.Integer({ minimum: 0, description })

// In the order in which people look at them.
const told = {
  role: Text('what its configuration calls it'),
  version: Text('of its Mezzo'),
  ports: Count('bound there, and up'),
  flows: Count('in its table'),
  upcalls: Count('packets that came up and were walked, since its agent began'),
  machine: Text("the machine's own name"),
  pid: Count('of its agent'),
  since: Type.String({ format: 'date-time', description: 'its agent runs since then' }),
  api: Type.Optional(Text('where its API listens')),
  cluster: Type.Optional(Text('where other hosts ask it')),
  notes: Type.Optional(
    Type.Array(Type.String({ maxLength: TEXT_MAX }), {
      maxItems: TOLD_MAX,
      description: 'what an operator should know'
    })
  ),
  addresses: Type.Array(Type.String(), {
    maxItems: TOLD_MAX,
    description: 'IPv4 addresses of its interfaces'
  }),
  interfaces: Type.Array(Type.String(), {
    maxItems: TOLD_MAX,
    description: 'their names; those with addresses first, and no more than 64'
  })
}
// What later versions add is optional, and left out by earlier ones.
const Told = Type.Object(told, { additionalProperties: false })

/** What an agent says of its host. */
export type Registration = Static<typeof Told>

/** What an entry says; undefined when it is no registration, or there is none. */
export function registrationOf(text: string | undefined): Registration | undefined {
  try {
    const said: unknown = text === undefined ? undefined : JSON.parse(text)
    const known = Value.Clean(Told, said)
    return Value.Check(Told, known) ? known : undefined
  } catch {
    return undefined
  }
}

// ECMA-262, section 21.4.1.1.
const TIME_MAX = 8.64e15

/** When a host was seen, ISO 8601; undefined for an entry that does not say it. */
export function seenOf(text: string | undefined): string | undefined {
  const at = Number(text)
  return at > 0 && at <= TIME_MAX ? new Date(at).toISOString() : undefined
}

const shown = Object.entries(told).map(([name, schema]) => [
  name,
  Type.Optional(Type.Unsafe({ ...schema, readOnly: true }))
])

/** What is known of a host beside its name, as the API shows it. */
export const hostStatus: Status = {
  fields: Type.Object({
    alive: Type.Optional(Type.Boolean({ readOnly: true, description: 'its agent runs' })),
    lastSeen: Type.Optional(
      Type.String({
        format: 'date-time',
        readOnly: true,
        description: 'of one that is not alive: when it was, to a minute'
      })
    ),
    ...Object.fromEntries(shown)
  }),
  references: {},
  entries: ({ id }) => [
    { table: hostTable(id), key: REGISTRATION, ofLiving: true },
    { table: hostTable(id), key: SEEN }
  ],
  seeds: id => [{ table: hostTable(id), key: SEEN }],
  read: (_, [said, seen]) => {
    const registration = registrationOf(said)
    if (registration !== undefined) return { alive: true, ...registration }
    const lastSeen = seenOf(seen)
    return { alive: false, ...(lastSeen !== undefined && { lastSeen }) }
  }
}

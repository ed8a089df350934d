// Models for the tests of the store: those of the system, with the least of what ports point at,
// and one kind per habit of a store that the system's own do not show.

import Type from 'typebox'
import { modelsOf } from '../../src/topology/assembly/assemble.ts'
import { portFields, stationFaults } from '../../src/topology/assembly/port-fields.ts'
import { defineModel, type Stored } from '../../src/topology/model.ts'
import { Uuid } from '../../src/topology/models.ts'

const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false })

const named = (kind: string) =>
  defineModel({
    kind,
    plural: `${kind}s`,
    summary: 'For tests.',
    schema: object({ name: Type.Optional(Type.String({ maxLength: 20 })) })
  })

/** Members are a list of references that forgets who is deleted. */
export const teamModel = defineModel({
  kind: 'team',
  plural: 'teams',
  summary: 'A list of references, selected by its items.',
  schema: object({
    members: Type.Array(Uuid('a host'), { maxItems: 8 }),
    size: Type.Optional(Type.Integer({ minimum: 0, maximum: 9 }))
  }),
  references: [{ field: 'members', kind: 'host', onDelete: 'clear' }],
  indexes: ['members', 'size']
})

/** A sequence so short that it runs out. */
export const seatModel = defineModel({
  kind: 'seat',
  plural: 'seats',
  summary: 'Takes one of three numbers.',
  schema: object({ number: Type.Optional(Type.Integer({ minimum: 1, maximum: 3 })) }),
  sequences: { number: { sequence: 'seat', min: 1, max: 3 } }
})

const { mac, addresses } = portFields

export const models = modelsOf([
  {
    name: 'tests',
    resources: [named('bridge'), named('router'), named('chain'), teamModel, seatModel],
    deviceKinds: [
      { kind: 'bridge' },
      { kind: 'router', port: { fields: { mac, addresses }, validate: stationFaults } }
    ],
    filterKind: 'chain'
  }
])

let serial = 0

/** Ids that differ and sort in the order they were made. */
export const newId = (): string =>
  `00000000-0000-4000-8000-${(++serial).toString(16).padStart(12, '0')}`

export const create = (kind: string, fields: Record<string, unknown> = {}) => {
  const value: Stored = { id: newId(), ...fields }
  return { op: 'create', kind, value } as const
}

export const update = (kind: string, value: Stored, version?: number) =>
  version === undefined
    ? ({ op: 'update', kind, value } as const)
    : ({ op: 'update', kind, value, version } as const)

export const remove = (kind: string, id: string) => ({ op: 'delete', kind, id }) as const

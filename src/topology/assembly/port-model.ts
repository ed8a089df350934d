// The model of ports, made of what all have and of what each kind of devices wants of its own.

import Type, { type TSchema } from 'typebox'
import { fail } from '../../core/errors.ts'
import { type Completing, defineModel, type Fault, type Model, type Stored } from '../model.ts'
import { commonPortFaults, commonPortFields, object, PORT_NUMBER_MAX, Uuid } from '../models.ts'
import { portStatus } from '../ports/port-status.ts'
import type { DeviceKind, ServiceKind } from './resources.ts'

/** `filterKind`: of what `inFilter` and `outFilter` name; '': ports have neither. */
export function portModelOf(
  kinds: readonly DeviceKind[],
  filterKind: string,
  services: readonly ServiceKind[] = []
): Model {
  const names = kinds.map(({ kind }) => kind)
  const some = names.length > 0 ? names.join(' or ') : 'device'
  const filters = filterKind === '' ? [] : (['inFilter', 'outFilter'] as const)
  return defineModel({
    kind: 'port',
    plural: 'ports',
    summary: `A port of a ${some}: linked to a peer, bound to an interface, or free.`,
    schema: object({
      ...commonPortFields,
      type: Type.Union(names.map(name => Type.Literal(name))),
      device: Uuid(`the ${some} it belongs to`),
      ...Object.fromEntries(
        filters.map(field => [
          field,
          Type.Optional(
            Uuid(`${filterKind} for what ${field === 'inFilter' ? 'enters' : 'leaves'}`)
          )
        ])
      ),
      ...serviceFields(services),
      ...ownFields(kinds)
    }),
    references: [
      { field: 'device', kind: names, onDelete: 'cascade' },
      { field: 'peer', kind: 'port', onDelete: 'clear' },
      { field: 'host', kind: 'host', onDelete: 'refuse' },
      { field: 'previousHost', kind: 'host', onDelete: 'clear' },
      ...filters.map(field => ({ field, kind: filterKind, onDelete: 'clear' }) as const),
      ...services.map(({ kind, portField: field }) => ({ field, kind, onDelete: 'clear' }) as const)
    ],
    indexes: ['device', 'host', 'peer'],
    unique: [['number'], ['host', 'interface']],
    sequences: { number: { sequence: 'port-number', min: 1, max: PORT_NUMBER_MAX } },
    validate: port => [...commonPortFaults(port), ...kindFaults(kinds, port)],
    complete: (port, given) => completed(kinds, port, given),
    status: portStatus
  })
}

const serviceFields = (services: readonly ServiceKind[]): Record<string, TSchema> =>
  Object.fromEntries(
    services.map(({ kind, portField, description = `the ${kind} that sits here` }) => [
      portField,
      Type.Optional(Uuid(description))
    ])
  )

/** Each says of which ports it is; two kinds may share one, when it is the same. */
function ownFields(kinds: readonly DeviceKind[]): Record<string, TSchema> {
  const fields: Record<string, TSchema> = {}
  for (const [field, schema] of kinds.flatMap(({ port }) => Object.entries(port?.fields ?? {}))) {
    if (field in commonPortFields) throw fail('EXISTS', { kind: 'field of all ports', id: field })
    const having = kinds.filter(({ port }) => port?.fields[field] !== undefined)
    if (having.some(({ port }) => port?.fields[field] !== schema))
      throw fail('EXISTS', { kind: 'another field of ports', id: field })
    const { description = 'its own' } = schema as { description?: string }
    const whose = having.map(({ kind }) => kind).join(' and ')
    const said = { ...schema, description: `${whose} ports: ${description}` }
    fields[field] = Type.Optional(said as TSchema)
  }
  return fields
}

function kindFaults(kinds: readonly DeviceKind[], port: Stored): Fault[] {
  const own = kinds.find(({ kind }) => kind === port.type)?.port
  const foreign = new Map<string, string[]>()
  for (const { kind, port: part } of kinds)
    for (const field of Object.keys(part?.fields ?? {}))
      if (own?.fields[field] === undefined && port[field] !== undefined)
        foreign.set(field, [...(foreign.get(field) ?? []), kind])
  const faults = [...foreign].map(([field, whose]) => {
    const expected = `none: only ${whose.join(' and ')} ports have this`
    return { field, value: port[field], expected }
  })
  return [...faults, ...(own?.validate?.(port) ?? [])]
}

function completed(kinds: readonly DeviceKind[], port: Stored, given: Completing): Stored {
  const own = kinds.find(({ kind }) => kind === port.type)?.port
  return { ...port, ...own?.complete?.(port, given) }
}

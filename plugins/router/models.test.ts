// What the API refuses of a route, and in which words.

import assert from 'node:assert/strict'
import test from 'node:test'
import type { Stored } from '../../src/topology/model.ts'
import { routeModel, routerModel } from './models.ts'

const ID = '00000000-0000-4000-8000-000000000001'
const faults = (fields: Record<string, unknown>): string[] =>
  routeModel
    .validate({ id: ID, router: ID, destination: '10.0.0.0/8', ...fields } as Stored)
    .map(({ field, value, expected }) => `${field} ${String(value)}: ${expected}`)

for (const { fields, expect } of [
  { fields: { port: ID }, expect: [] },
  { fields: { port: ID, gateway: '10.0.0.1', source: '192.168.0.0/16', weight: 0 }, expect: [] },
  { fields: { destination: '::/0', port: ID, gateway: 'fe80::1' }, expect: [] },
  { fields: { type: 'blackhole' }, expect: [] },
  { fields: {}, expect: ['port undefined: a port of the router'] },
  {
    fields: { type: 'reject', port: ID, gateway: '10.0.0.1' },
    expect: [
      `port ${ID}: none: a reject route leads nowhere`,
      'gateway 10.0.0.1: none: a reject route leads nowhere'
    ]
  },
  {
    fields: { port: ID, gateway: 'fd00::1', source: 'fd00::/8' },
    expect: [
      'source fd00::/8: an IPv4 network, as 10.0.0.0/8 is',
      'gateway fd00::1: an IPv4 address, as 10.0.0.0/8 is'
    ]
  },
  ...['0.0.0.0', '224.0.0.5', '127.0.0.1'].map(gateway => ({
    fields: { port: ID, gateway },
    expect: [`gateway ${gateway}: the address of one node`]
  })),
  ...['::', '::1', 'ff02::1'].map(gateway => ({
    fields: { destination: '::/0', port: ID, gateway },
    expect: [`gateway ${gateway}: the address of one node`]
  }))
])
  test(`route ${JSON.stringify(fields)}`, () => assert.deepEqual(faults(fields), expect))

test('a route goes with its router and its port; a router forgets a deleted chain', () => {
  const onDelete = (references: typeof routeModel.references): Record<string, string> =>
    Object.fromEntries(references.map(({ field, onDelete }) => [field, onDelete]))
  assert.deepEqual(onDelete(routeModel.references), { router: 'cascade', port: 'cascade' })
  const router = { inFilter: 'clear', outFilter: 'clear', loadBalancer: 'clear' }
  assert.deepEqual(onDelete(routerModel.references), router)
})

// What plugins declare together, whatever order they are found in, and what they may not declare.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadResources } from '../../agent/resources.ts'
import { isFailure } from '../../core/errors.ts'
import { checkObject } from '../validation.ts'
import { assemblyOf, modelsOf } from './assemble.ts'
import type { Resources } from './resources.ts'

const ID = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99'

test("kinds of state of the tree's plugins are numbered as docs/flow-state.md says", async () => {
  const plugins = await loadResources()
  const expected = ['connection', 'snat', 'dnat', 'sticky']
  for (const some of [plugins, plugins.toReversed()])
    assert.deepEqual(
      assemblyOf(some).stateKinds.map(({ name }) => name),
      expected
    )
})

test('kinds of state are of all that are installed, device kinds of those chosen', () => {
  const tap: Resources = { name: 'tap', stateKinds: [{ name: 'seen', idleS: 9 }] }
  const wan: Resources = { name: 'wan', deviceKinds: [{ kind: 'wan', portClass: 'uplink' }] }
  assert.deepEqual(assemblyOf([], [tap, wan]), {
    uplinks: [],
    filterKind: '',
    services: [],
    stateKinds: [
      { name: 'connection', idleS: 0 },
      { name: 'seen', idleS: 9 }
    ]
  })
  assert.deepEqual(assemblyOf([wan, tap]).uplinks, ['wan'])
})

for (const [what, plugins] of [
  ['device kind', [{ deviceKinds: [{ kind: 'tap' }] }, { deviceKinds: [{ kind: 'tap' }] }]],
  [
    'state kind',
    [{ stateKinds: [{ name: 'seen' }] }, { stateKinds: [{ name: 'seen', idleS: 1 }] }]
  ],
  ['state kind', [{ stateKinds: [{ name: 'connection' }] }]],
  ['filter of ports', [{ filterKind: 'a' }, { filterKind: 'b' }]]
] as const)
  test(`two that declare one ${what} are refused`, () => {
    const named = plugins.map((each, i) => ({ name: `plugin-${i}`, ...each }))
    assert.throws(
      () => assemblyOf(named),
      (error: unknown) => isFailure(error, 'EXISTS') && error.params.kind === what
    )
  })

test('there are no more kinds of state than a message can say', () => {
  const stateKinds = Array.from({ length: 15 }, (_, i) => ({ name: `kind-${i}` }))
  assert.throws(
    () => assemblyOf([{ name: 'many', stateKinds }]),
    /stateKinds is 16; expected at most/
  )
})

test('a field of ports is for the devices that declare it', () => {
  const vlan = { type: 'integer', description: 'some number' }
  const plugins: Resources[] = [
    { name: 'a', deviceKinds: [{ kind: 'tap', port: { fields: { colour: vlan } } }] },
    { name: 'b', deviceKinds: [{ kind: 'wan' }] }
  ]
  const port = modelsOf(plugins).find(({ kind }) => kind === 'port')!
  const { colour } = port.schema.properties as Record<string, { description?: string }>
  assert.equal(colour?.description, 'tap ports: some number')
  const faults = (type: string) => checkObject(port, { id: ID, type, device: ID, colour: 1 })
  assert.deepEqual(faults('tap'), [])
  assert.deepEqual(faults('wan'), [
    { field: 'colour', value: 1, expected: 'none: only tap ports have this' }
  ])
  const clash: Resources = {
    name: 'c',
    deviceKinds: [{ kind: 'sea', port: { fields: { colour: { type: 'string' } } } }]
  }
  assert.throws(() => modelsOf([...plugins, clash]), { code: 'EXISTS' })
  const own = { kind: 'sea', port: { fields: { peer: vlan } } }
  assert.throws(() => modelsOf([{ name: 'd', deviceKinds: [own] }]), { code: 'EXISTS' })
})

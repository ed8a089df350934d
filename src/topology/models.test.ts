// Addresses that nobody can have are refused where they are written down.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { portFields } from './assembly/port-fields.ts'
import { commonPortFields, tunnelZoneHostModel } from './models.ts'
import { knownFields } from './ports/port.ts'
import { checkObject } from './validation.ts'

const ID = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99'

test('B16: a tunnel ends at one node', () => {
  const at = (address: string): string[] =>
    checkObject(tunnelZoneHostModel, { id: ID, zone: ID, host: ID, address }).map(
      ({ field }) => field
    )
  for (const address of ['224.0.0.1', '255.255.255.255', '0.0.0.0', '127.0.0.1'])
    assert.deepEqual(at(address), ['address'])
  assert.deepEqual(at('192.0.2.1'), [])
})

test('what the walk knows of ports is what the core has fields for', () => {
  const fields = [
    'id',
    'inFilter',
    'outFilter',
    ...Object.keys({ ...commonPortFields, ...portFields })
  ]
  assert.deepEqual([...knownFields].sort(), fields.sort())
})

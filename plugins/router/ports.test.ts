// What a router's port may be: addresses that nobody can have are refused where they are written.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { portModelOf } from '../../src/topology/assembly/port-model.ts'
import { checkObject } from '../../src/topology/validation.ts'
import router from './resources.ts'

const portModel = portModelOf(router.deviceKinds!, '')
const ID = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99'
const MAC = '02:00:00:00:00:01'
const fieldsOf = (fields: Record<string, unknown>): string[] =>
  checkObject(portModel, { id: ID, type: 'router', device: ID, mac: MAC, ...fields }).map(
    ({ field }) => field
  )

for (const mac of [
  'ff:ff:ff:ff:ff:ff',
  '01:00:5e:00:00:01',
  '33:33:00:00:00:01',
  '00:00:00:00:00:00'
])
  test(`B16: a router port is not ${mac}`, () => assert.deepEqual(fieldsOf({ mac }), ['mac']))

test('B16: other MACs are taken', () => {
  for (const mac of ['00:00:00:00:00:01', '02:ff:ff:ff:ff:ff', 'fe:00:00:00:00:00'])
    assert.deepEqual(fieldsOf({ mac }), [])
})

for (const wrong of [
  '10.0.0.0/24',
  '10.0.0.255/24',
  '10.1.255.255/16',
  '10.0.0.3/30',
  '127.0.0.1/8',
  '0.0.0.1/8',
  '240.0.0.1/8',
  '255.255.255.255/32',
  '::1/128',
  '10.9.0.1/24'
])
  test(`B16: ${wrong} is no address of a router port`, () => {
    const addresses = ['10.9.0.1/24', 'fd00::1/64', wrong]
    assert.deepEqual(fieldsOf({ addresses }), ['addresses[2]'])
  })

test('B16: a /31, a /32 and IPv6 have no address that is nobody’s', () => {
  const addresses = ['10.0.0.0/31', '10.0.0.1/31', '10.0.1.0/32', '10.0.2.255/32', 'fd00::/64']
  assert.deepEqual(fieldsOf({ addresses }), [])
})

// What is said of a bad object, and that the plain words never disagree with the compiled check.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import Type from 'typebox'
import Value from 'typebox/value'
import { casesOf } from '../../test/cases.ts'
import { portModelOf } from './assembly/port-model.ts'
import { formats } from './formats.ts'
import { defineModel, type Stored } from './model.ts'
import { applyDefaults, checkObject, checkValue } from './validation.ts'

const id = '00000000-0000-4000-8000-000000000001'

const model = defineModel({
  kind: 'thing',
  plural: 'things',
  summary: 'For tests.',
  schema: Type.Object(
    {
      name: Type.String({ minLength: 1, maxLength: 5 }),
      kind: Type.Union([Type.Literal('a'), Type.Literal('b'), Type.Literal('c')], { default: 'a' }),
      count: Type.Optional(Type.Integer({ minimum: 1, maximum: 9 })),
      ratio: Type.Optional(Type.Number({ minimum: 0 })),
      up: Type.Optional(Type.Boolean({ default: true })),
      mac: Type.Optional(Type.String({ format: 'mac' })),
      word: Type.Optional(Type.String({ pattern: '^[a-z]+$' })),
      list: Type.Optional(Type.Array(Type.String({ format: 'ip' }), { maxItems: 2 })),
      set: Type.Optional(Type.Array(Type.Integer(), { uniqueItems: true })),
      inner: Type.Optional(
        Type.Object({ port: Type.Integer({ maximum: 65535 }) }, { additionalProperties: false })
      ),
      labels: Type.Optional(Type.Record(Type.String(), Type.String()))
    },
    { additionalProperties: false }
  )
})

const good = { id, name: 'x', kind: 'a' }

const cases: readonly [string, object, string, unknown, string][] = [
  ['a missing field', { name: undefined }, 'name', undefined, 'text of 1 to 5 characters'],
  ['text too long', { name: 'abcdef' }, 'name', 'abcdef', 'text of 1 to 5 characters'],
  ['a choice', { kind: 'z' }, 'kind', 'z', '"a", "b" or "c"'],
  ['a wrong type', { count: '5' }, 'count', '5', 'a whole number from 1 to 9'],
  ['out of range', { count: 10 }, 'count', 10, 'a whole number from 1 to 9'],
  ['not whole', { count: 1.5 }, 'count', 1.5, 'a whole number from 1 to 9'],
  ['below', { ratio: -1 }, 'ratio', -1, 'a number from 0 up'],
  ['not a boolean', { up: 'yes' }, 'up', 'yes', 'true or false'],
  ['null is a value', { up: null }, 'up', null, 'true or false'],
  ['a format', { mac: 'x' }, 'mac', 'x', 'a MAC address such as 02:00:00:00:00:01'],
  ['a pattern', { word: 'A' }, 'word', 'A', 'text that matches ^[a-z]+$'],
  ['an item', { list: ['::1', '1.2.3'] }, 'list[1]', '1.2.3', 'an IPv4 or IPv6 address'],
  ['no list', { list: '::1' }, 'list', '::1', 'a list up to 2 items, each an IPv4 or IPv6 address'],
  ['repeated', { set: [1, 1] }, 'set', [1, 1], 'a list, each a whole number, none twice'],
  ['nested', { inner: { port: 70000 } }, 'inner.port', 70000, 'a whole number up to 65535'],
  ['nested, missing', { inner: {} }, 'inner.port', undefined, 'a whole number up to 65535'],
  ['no object', { inner: 5 }, 'inner', 5, 'an object']
]

for (const [name, fields, field, value, expected] of cases)
  test(`${name}: the fault names field, value and expectation`, () => {
    assert.deepEqual(checkObject(model, { ...good, ...fields }), [{ field, value, expected }])
  })

test('a good object has no faults, and every fault of a bad one is told', () => {
  assert.deepEqual(checkObject(model, good), [])
  const bad = { ...good, id: 'X', name: '', count: 0, colour: 'red', mac: 5 }
  const fields = checkObject(model, bad).map(fault => fault.field)
  assert.deepEqual(fields.sort(), ['colour', 'count', 'id', 'mac', 'name'])
})

test('F8: an unknown field is told which are like it, whatever it is called', () => {
  for (const field of ['colour', 'constructor', 'toString']) {
    const [fault] = checkObject(model, { ...good, [field]: 1 })
    assert.equal(fault?.field, field)
    assert.match(fault.expected, /^no such field; the nearest are \w+, \w+, \w+$/)
  }
  assert.match(checkObject(model, { ...good, knid: 1 })[0]!.expected, /nearest are kind,/)
  const proto = JSON.parse(`{"id":"${id}","name":"x","kind":"a","__proto__":{"name":"y"}}`)
  assert.equal(checkObject(model, proto).length, 1)
})

test('what is no object at all is said to be none', () => {
  for (const value of [null, undefined, 5, 'text', [1]])
    assert.equal(checkObject(model, value as never)[0]?.expected, 'an object')
})

test("a model's own faults come after those of its schema", () => {
  const portModel = portModelOf([{ kind: 'hub' }], '')
  const port = { id, type: 'hub', device: id, host: id }
  assert.deepEqual(
    checkObject(portModel, port).map(fault => fault.field),
    ['interface']
  )
  const both = checkObject(portModel, { ...port, device: 'x' })
  assert.deepEqual(
    both.map(fault => fault.field),
    ['device']
  )
})

test('defaults fill what is absent and touch nothing else', () => {
  const value: Stored = { id, name: 'x', mac: undefined }
  assert.deepEqual(applyDefaults(model, value), { id, name: 'x', kind: 'a', up: true })
  assert.deepEqual(value, { id, name: 'x', mac: undefined })
  assert.deepEqual(applyDefaults(model, { id, kind: 'b', up: false }), { id, kind: 'b', up: false })
})

test('C12: a hostile body makes neither an endless nor a slow answer', () => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`f${i}`, i]))
  assert.ok(checkObject(model, { ...good, ...many }).length <= 33)
  let looks = 0
  const watched = new Proxy(many, {
    get: (object, field) => {
      looks++
      return Reflect.get(object, field)
    }
  })
  assert.ok(checkValue(model.schema, watched).length <= 33)
  assert.ok(looks < 3 * 5000, `${looks} looks at 5000 fields`)
})

test('C10: no text of an object holds what is not seen, at any depth', () => {
  for (const name of ['a\u001bb', 'a\0', 'a\r\n', 'a\ud800', '\u202ea', 'a\u0085', 'a\u2028']) {
    const fault = { field: 'name', value: name, expected: 'text without control characters' }
    assert.deepEqual(checkObject(model, { ...good, name }), [fault])
    const [value] = checkObject(model, { ...good, labels: { a: name } })
    assert.equal(value?.field, 'labels.a')
    assert.equal(checkObject(model, { ...good, labels: { [name]: 'a' } }).length, 1)
  }
  assert.deepEqual(checkObject(model, { ...good, name: '東京 ü' }), [])
})

test('whatever the value, there are faults exactly when the schema refuses it', () => {
  const anything = fc.record(
    {
      name: fc.oneof(fc.string({ maxLength: 7 }), fc.anything()),
      kind: fc.oneof(fc.constantFrom('a', 'b', 'z'), fc.anything()),
      count: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.anything()),
      list: fc.oneof(fc.array(fc.ipV6(), { maxLength: 3 }), fc.anything()),
      inner: fc.oneof(fc.record({ port: fc.nat(70000) }), fc.anything()),
      labels: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.anything())
    },
    { requiredKeys: ['name', 'kind'] }
  )
  fc.assert(
    fc.property(anything, value => {
      const refused = !Value.Check(model.schema, value)
      assert.equal(checkValue(model.schema, value).length > 0, refused)
    }),
    { seed: 3, numRuns: casesOf(500) }
  )
})

const samples: Readonly<Record<string, readonly [good: string[], bad: string[]]>> = {
  uuid: [[id], ['', 'x', id.toUpperCase().replace('8', 'A'), `${id} `]],
  mac: [
    ['02:00:00:00:00:01', 'FF:ff:00:00:00:00'],
    ['02:00:00:00:00', '2:0:0:0:0:1', '']
  ],
  ipv4: [
    ['10.0.0.1', '0.0.0.0'],
    ['10.0.0.01', '10.0.0', '256.0.0.1', '::1', '']
  ],
  ipv6: [
    ['::', '2001:db8::1', '::ffff:10.0.0.1'],
    ['10.0.0.1', '1::2::3', 'fe80::1%eth0']
  ],
  ip: [
    ['10.0.0.1', '::1'],
    ['10.0.0.1/8', 'host', '']
  ],
  cidr: [
    ['10.0.0.0/24', '0.0.0.0/0', '::/0', '10.0.0.1/32', '2001:db8::/64'],
    ['10.0.0.1/24', '10.0.0.0', '10.0.0.0/33', '2001:db8::1/64', '::/129', '10.0.0.0/024']
  ],
  'address-or-network': [
    ['10.0.0.5', 'fd00::5', '10.0.0.0/24', 'fd00::/64', '0.0.0.0/0', '10.0.0.5/32'],
    ['10.0.0.5/24', 'fd00::5/64', '10.0.0', '10.0.0.0/33', '::/129', 'host', '']
  ],
  'interface-address': [
    ['10.0.0.1/24', '10.0.0.0/31', '2001:db8::1/64'],
    ['10.0.0.1', '0.0.0.0/8', '224.0.0.1/8', 'ff02::1/16', '10.0.0.1/0', '::/64']
  ],
  interface: [
    ['eth0', 'tap-1234567890a', 'br0.100'],
    ['', 'a/b', 'a b', 'sixteencharacter', '.', '..']
  ]
}

for (const [name, { check }] of Object.entries(formats))
  test(`the format ${name} takes what the packet path can use`, () => {
    const [taken, refused] = samples[name]!
    for (const text of taken) assert.ok(check(text), `${text} is taken`)
    for (const text of refused) assert.ok(!check(text), `${text} is refused`)
  })

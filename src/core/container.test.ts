// The container finds every fault of assembly at start and names the plugins it concerns.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Container, order, type Unit } from './container.ts'
import { type Token, token } from './token.ts'

const Apples = token<string>('apples')
const Bread = token<string>('bread')
const Cider = token<number>('cider')

const unit = (name: string, needs: Record<string, Token<unknown>>, ...provides: Token<unknown>[]) =>
  ({ name, needs, provides }) satisfies Unit

const names = (units: readonly Unit[]): string[] => units.map(({ name }) => name)

test('providers come before their users, whatever the order of the list', () => {
  const units = [
    unit('inn', { cider: Cider, bread: Bread }),
    unit('press', { apples: Apples }, Cider),
    unit('garden', {}, Apples),
    unit('oven', {}, Bread)
  ]
  assert.deepEqual(names(order(units)), ['garden', 'press', 'oven', 'inn'])
})

test('a missing service names the plugin and the service, before any is set up', () => {
  const container = new Container()
  let setUps = 0
  const units = [unit('garden', {}, Apples), unit('press', { apples: Apples, bread: Bread })]
  assert.throws(() => container.assemble(units, () => setUps++), {
    code: 'MISSING_SERVICE',
    message: 'press needs bread, which nobody provides'
  })
  assert.equal(setUps, 0)
})

test('a circle names its plugins in order', () => {
  const units = [
    unit('start', { apples: Apples }),
    unit('a', { bread: Bread }, Apples),
    unit('b', { apples: Apples }, Bread)
  ]
  assert.throws(() => order(units), { code: 'CYCLE', message: 'a circle of needs: a -> b -> a' })
})

test('a service with two providers names both', () => {
  const units = [unit('a', {}, Apples), unit('b', {}, Apples)]
  assert.throws(() => order(units), {
    code: 'DUPLICATE_SERVICE',
    message: 'apples is provided by both a and b'
  })
  const container = new Container()
  container.provide(Apples, 'red')
  assert.throws(() => container.assemble([unit('a', {}, Apples)], () => {}), {
    message: 'apples is provided by both core and a'
  })
})

test('two plugins of one name are refused', () => {
  assert.throws(() => order([unit('a', {}), unit('a', {})]), { code: 'DUPLICATE_UNIT' })
})

test('a plugin that does not provide what it declares is named', () => {
  assert.throws(() => new Container().assemble([unit('a', {}, Apples)], () => {}), {
    code: 'UNKEPT_PROMISE',
    message: 'a declares that it provides apples but did not'
  })
})

test('each plugin is given its services under its own names; then the container is sealed', () => {
  const container = new Container()
  const given: unknown[] = []
  const units = [unit('press', { fruit: Apples }), unit('garden', {}, Apples)]
  container.assemble(units, (unit, services) => {
    given.push(services)
    if (unit.name === 'garden') container.provide(Apples, 'red', 'garden')
  })
  assert.deepEqual(given, [{}, { fruit: 'red' }])
  assert.throws(() => container.get(Apples, 'late'), { code: 'SEALED', message: /^late asks/ })
  assert.throws(() => container.provide(Bread, 'rye'), { code: 'SEALED' })
})

test('a factory makes its service once, and two containers share nothing', () => {
  const make = () => {
    const container = new Container()
    let made = 0
    container.provideFactory(Cider, () => ++made)
    return container
  }
  const [one, two] = [make(), make()]
  assert.deepEqual([one.get(Cider), one.get(Cider), two.get(Cider)], [1, 1, 1])
  assert.throws(() => new Container().get(Cider, 'inn'), { code: 'MISSING_SERVICE' })
})

test('factories that need each other are a circle, not an endless call', () => {
  const container = new Container()
  container.provideFactory(Apples, c => c.get(Bread))
  container.provideFactory(Bread, c => c.get(Apples))
  assert.throws(() => container.get(Apples), {
    code: 'CYCLE',
    message: 'a circle of needs: apples -> bread -> apples'
  })
})

test('services are put away in reverse order, past one that fails', async () => {
  const container = new Container()
  const gone: string[] = []
  const closes = (name: string) => ({ dispose: () => void gone.push(name) })
  container.provide(token<object>('first'), closes('first'))
  container.provide(token<object>('bad'), { dispose: () => Promise.reject(new Error('stuck')) })
  container.provide(token<string>('plain'), 'nothing to put away')
  const last = token<object>('last')
  container.provideFactory(last, () => closes('last'))
  container.get(last)
  await assert.rejects(container.dispose(), { message: /1 parts did not stop.*bad \(stuck\)/ })
  assert.deepEqual(gone, ['last', 'first'])
})

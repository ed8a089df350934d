// A device is brought up to date once for all that was taken in together, and at once for whoever
// uses it meanwhile.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Renewals } from './renewals.ts'
import type { Slot } from './sweeper.ts'

const factory = {
  interests: () => [],
  make: () => assert.fail('nobody makes it')
}
const slotOf = (id: string): Slot => ({
  ...{ kind: 'bridge', id, factory },
  ...{ needs: new Set<string>(), tables: new Set<string>(), isUsed: true, idle: 0, device: null }
})

function opened() {
  const said: string[] = []
  const renew = ({ id }: Slot): void => void said.push(id)
  return { said, renewals: new Renewals({ renew, changed: () => said.push('changed') }) }
}

const [a, b] = [slotOf('a'), slotOf('b')]

test('by itself it is brought up to date at once', () => {
  const { said, renewals } = opened()
  renewals.add([a, b])
  renewals.beforeUse(a)
  assert.deepEqual(said, ['a', 'b', 'changed'])
})

test('together: once, at the end; before that for whoever uses it', () => {
  const { said, renewals } = opened()
  renewals.together(() => {
    for (let i = 0; i < 100; i++) renewals.add([a, b])
    assert.deepEqual(said, [])
    renewals.beforeUse(b)
    renewals.together(() => renewals.add([a]))
    assert.deepEqual(said, ['b'])
  })
  assert.deepEqual(said, ['b', 'a', 'changed'])
  renewals.together(() => {})
  assert.equal(said.length, 3, 'nothing came')
})

test('work that fails leaves nobody out of date', () => {
  const { said, renewals } = opened()
  const work = (): void => {
    renewals.add([a])
    throw new Error('broken')
  }
  assert.throws(() => renewals.together(work), /broken/)
  renewals.add([b])
  assert.deepEqual(said, ['a', 'changed', 'b', 'changed'])
})

test('closed amid what is taken in together: nobody is brought up to date any more', () => {
  const { said, renewals } = opened()
  renewals.together(() => {
    renewals.add([a])
    renewals.close()
    renewals.add([b])
  })
  renewals.add([a])
  assert.deepEqual(said, [])
})

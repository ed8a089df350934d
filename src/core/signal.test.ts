// A signal tells all who listen, in order, and before it returns.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signal } from './signal.ts'

test('all who listen are called, in the order they came, before the call returns', () => {
  const happened = signal<[name: string, count: number]>()
  const heard: string[] = []
  happened('nobody', 0)
  happened.on((name, count) => heard.push(`first ${name} ${count}`))
  happened.on(name => heard.push(`second ${name}`))
  happened('a', 1)
  assert.deepEqual(heard, ['first a 1', 'second a'])
})

test('what a listener makes happen is heard at once, too', () => {
  const [cause, effect] = [signal<[]>(), signal<[]>()]
  const heard: string[] = []
  cause.on(() => effect())
  cause.on(() => heard.push('cause'))
  effect.on(() => heard.push('effect'))
  cause()
  assert.deepEqual(heard, ['effect', 'cause'])
})

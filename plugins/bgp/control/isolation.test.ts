// When a gateway is taken to be cut off, and when it is not.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Isolation } from './isolation.ts'

const peer = (host: string, alive: boolean) => ({ host, alive, agentAlive: alive })

function ground() {
  let others: readonly ReturnType<typeof peer>[] | null = []
  const list = async () => {
    if (others === null) throw new Error('the packet thread is gone')
    return others
  }
  const isolation = new Isolation({ list })
  const look = async (now: typeof others): Promise<boolean> => {
    others = now
    await isolation.look()
    return isolation.isCutOff
  }
  return { isolation, look }
}

test('it is cut off once all others are silent at two looks, until one answers', async () => {
  const { look } = ground()
  const silent = [peer('a', false), peer('b', false)]
  assert.equal(await look(silent), false)
  assert.equal(await look(silent), true)
  assert.equal(await look([peer('a', false), peer('b', true)]), false)
  assert.equal(await look(silent), false, 'two looks in a row')
})

test('a host without others, or that serves ports of its own, is not', async () => {
  const { isolation, look } = ground()
  for (let i = 0; i < 3; i++) assert.equal(await look([]), false)
  isolation.serves('port', true)
  for (let i = 0; i < 3; i++) assert.equal(await look([peer('a', false)]), false)
  isolation.serves('port', false)
  assert.equal(isolation.isCutOff, true)
})

test('what cannot be found out is as it was', async () => {
  const { look } = ground()
  await look([peer('a', false)])
  await look([peer('a', false)])
  assert.equal(await look(null), true)
  assert.equal(await look([peer('a', true)]), false)
  assert.equal(await look(null), false)
})

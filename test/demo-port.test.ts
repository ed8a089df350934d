// The demo's API listens at the usual port, or at another when that is taken: it is asked once.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { atUsualPort } from '../src/demo/usual-port.ts'

test('a port that is taken is not tried: any other is', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const asked: number[] = []
  const at = () =>
    atUsualPort({ address: '127.0.0.1', port } as never, async place => void asked.push(place.port))
  await at()
  other.close()
  await once(other, 'close')
  await at()
  assert.deepEqual(asked, [0, port])
})

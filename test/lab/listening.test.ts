// A server of ours in another namespace of a real kernel: who is there reaches it by loopback, and
// nobody else does.

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { listenIn } from '../../src/agent/control/listening.ts'
import { isFailure } from '../../src/core/errors.ts'
import { type Host, Lab } from '../../src/lab/index.ts'

const DIAL = `
  const socket = require('node:net').connect(+process.argv[1], '127.0.0.1')
  socket.on('data', data => { process.stdout.write(data); socket.end() })
  socket.on('error', error => { process.stdout.write(error.code) })`

describe('a server in another namespace', { skip: Lab.available() ?? false }, () => {
  let lab: Lab
  let host: Host

  before(async () => {
    lab = await Lab.open({ prefix: 'mz-lab-listening' })
    host = await lab.host('one')
  })
  after(() => lab?.close())

  const dial = (port: number): Promise<string> =>
    host.must([process.execPath, '-e', DIAL, `${port}`])

  test('is reached there, not here, and its port is free again when it is closed', async () => {
    const options = { netns: host.path, address: '127.0.0.1', port: 0 }
    const server = await listenIn(options, socket => socket.end('hello'))
    assert.ok(server.port > 0)
    assert.equal(await dial(server.port), 'hello')
    const here = await new Promise<string | undefined>(resolve => {
      const socket = connect(server.port, '127.0.0.1', () => resolve('connected'))
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    })
    assert.equal(here, 'ECONNREFUSED')
    const again = { ...options, port: server.port }
    await assert.rejects(
      listenIn(again, () => {}),
      error => isFailure(error, 'UNAVAILABLE') && /EADDRINUSE/.test(error.message)
    )
    server.close()
    assert.equal(await dial(server.port), 'ECONNREFUSED')
    const next = await listenIn(again, socket => socket.end('again'))
    assert.equal(await dial(next.port), 'again')
    next.close()
  })

  test('is refused by name where there is no such namespace or address', async () => {
    const missing = { netns: '/run/netns/nowhere', address: '127.0.0.1', port: 0 }
    await assert.rejects(
      listenIn(missing, () => {}),
      error => isFailure(error, 'UNAVAILABLE') && /nowhere.*ENOENT/.test(error.message)
    )
    await assert.rejects(
      listenIn({ netns: host.path, address: 'localhost', port: 0 }, () => {}),
      error => isFailure(error, 'UNAVAILABLE') && /EINVAL/.test(error.message)
    )
  })
})

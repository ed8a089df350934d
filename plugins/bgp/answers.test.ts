// How BGP is on a host without any, through the API and the command line of an appliance with a
// real agent; and that a host is drained by a command.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import { call } from '../../test/api/fixture.ts'
import { HOST, openSystem, post, type ServedSystem } from '../../test/api/system.ts'
import { eventually } from '../../test/store/ground.ts'

let served: ServedSystem
before(async () => {
  served = await openSystem(['up0'])
})
after(() => served.system.close())

async function mezzo(...words: string[]): Promise<string> {
  const said: string[] = []
  const say = (text: string): number => said.push(text)
  assert.equal(await command(words, { api: served.url, say, complain: say }), 0, said.join())
  return said.join('\n')
}
const status = async () => (await call(`${served.url}/hosts/${HOST}/bgp`)).body

test('a port without peers is there, and nothing speaks for it', async () => {
  const router = await post(`${served.url}/routers`, { name: 'edge' })
  const addresses = ['180.0.1.2/24']
  const port = await post(`${served.url}/ports`, { device: router, name: 'up', addresses })
  const binding = { host: HOST, interface: 'up0' }
  await call(`${served.url}/ports/${port}/binding`, 'PUT', binding)
  await post(`${served.url}/bgp-networks`, { router, prefix: '200.0.0.0/24' })
  await eventually(async () => {
    const { ports, sessions, networks, refused } = await status()
    const idle = { asn: null, routerId: null, state: 'none', routes: 0, default: null }
    assert.deepEqual(ports, [{ port, router, ...idle, reason: null }])
    assert.deepEqual([sessions, networks, refused], [[], [], []])
  })
  const text = await mezzo('bgp', 'status')
  assert.match(text, /^host +engine +reason +drained\ncompute1 .* no$/m)
  assert.match(
    text,
    /^ports\nhost +port +router .*\ncompute1 +edge:up +edge +- +- +none +0 +- +-$/m
  )
  assert.match(text, /^no sessions$/m)
  assert.match(await mezzo('help', 'bgp'), /mezzo bgp status \[HOST\]/)
})

test('a host is drained and undrained by a command, and says so', async () => {
  assert.equal((await status()).drained, false)
  await mezzo('host', 'drain', 'compute1')
  await eventually(async () => assert.equal((await status()).drained, true))
  assert.match(await mezzo('host', 'list'), /drain/)
  await mezzo('host', 'undrain', 'compute1')
  await eventually(async () => assert.equal((await status()).drained, false))
  const { body } = await call(`${served.url}/hosts/${HOST}`)
  assert.equal(body.drain, undefined)
})

// docs/recipes.md as it stands: every command of it is run by the command line against a real API,
// one recipe after the other, on four hosts with kernels of their own; then what the recipe
// promises is looked at. A recipe without a look of its own fails.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import { type Outside, type TcpStream, until, type Vm } from '../../src/lab/index.ts'
import { allReceived, Network, reaches, reachesNot } from './fixtures/index.ts'

const skip = Network.skip()
const FAR = '198.51.100.1' // outside, behind both gateways
const INSIDE = ['10.0.1.0/24', '203.0.113.200/32', '203.0.113.201/32']
const NEAR = { gateway1: '203.0.113.2', gateway2: '203.0.113.18' }

interface Recipe {
  readonly title: string
  /** What stands in its blocks, as words; a block's commands are run one after the other. */
  readonly blocks: readonly (readonly string[][])[]
}

function recipes(): Recipe[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs/recipes.md'), 'utf8')
  return text
    .split(/^## /m)
    .slice(1)
    .map(section => ({
      title: section.slice(0, section.indexOf('\n')),
      blocks: [...section.matchAll(/^```\n(mezzo [\s\S]*?)^```/gm)].map(([, block]) =>
        block!.trimEnd().split('\n').map(wordsOf)
      )
    }))
}

/** As a shell splits a line: blanks part words, single quotes keep them. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/(?:[^\s']|'[^']*')+/g)].map(([word]) => word.replaceAll("'", ''))

describe('recipes', { skip }, () => {
  let net: Network
  let api: string
  let outside: Outside
  let web1: Vm
  let web2: Vm

  before(async () => {
    const hosts = ['compute1', 'compute2', 'gateway1', 'gateway2']
    net = await Network.open({ prefix: 'mz-lab-recipes', hosts, zone: false })
    const vm = (on: string, n: number): Promise<Vm> =>
      net.host(on).vm(`tap${n}`, { addresses: [`10.0.1.1${n}/24`], gateway: '10.0.1.1' })
    ;[web1, web2] = await Promise.all([vm('compute1', 1), vm('compute2', 2)])
    outside = await net.lab.outside('outside', {
      links: (['gateway1', 'gateway2'] as const).map((name, i) => ({
        host: net.host(name),
        interface: 'uplink0',
        addresses: [`203.0.113.${16 * i + 1}/28`]
      })),
      addresses: [`${FAR}/32`]
    })
    await returnBy('gateway1')
    await net.start()
    api = await net.appliance.listen({ host: '127.0.0.1', port: 0 })
  })

  after(() => net?.close())

  async function returnBy(gateway: keyof typeof NEAR): Promise<void> {
    await outside.ip(...INSIDE.map(to => `route replace ${to} via ${NEAR[gateway]}`))
  }

  async function run(words: readonly string[]): Promise<void> {
    assert.equal(words[0], 'mezzo')
    const told: string[] = []
    const say = (text: string) => void told.push(text)
    const exit = await command(words.slice(1), { api, token: undefined, say, complain: say })
    assert.equal(exit, 0, `${words.join(' ')}\n${told.join('\n')}`)
  }

  // What the outside takes all of its pings for; undefined: not all are answered, or for several.
  async function sourceOf(vm: Vm): Promise<string | undefined> {
    const heard = await outside.capture('eth0', 'icmp[icmptype] = icmp-echo')
    const { sent, received } = await vm.ping(FAR)
    await until('the pings are captured', () => heard.count >= received)
    await heard.stop()
    const frames = await heard.frames(['ip.src'])
    const sources = new Set(frames.map(({ fields }) => fields['ip.src']![0]))
    return received === sent && sources.size === 1 ? [...sources][0] : undefined
  }

  async function connection(from: Vm | Outside, to: Vm | Outside, address: string) {
    const server = await to.tcp.serve()
    const stream = await from.tcp.stream({ server, to: address })
    return { server, stream }
  }

  async function goesOn(stream: TcpStream): Promise<void> {
    const { receivedBytes } = await stream.report()
    const more = async () => (await stream.report()).receivedBytes > receivedBytes + 640
    await until('the connection goes on', more)
  }

  async function sound(stream: TcpStream): Promise<void> {
    await goesOn(stream)
    const report = await stream.stop()
    assert.ok(report.sound, JSON.stringify(report))
  }

  /** By title: the blocks of the recipe are run by `cook`, one at each call. */
  const looks: Record<string, (cook: () => Promise<void>) => Promise<void>> = {
    'A network': async cook => {
      await cook()
      await net.ready()
      await reaches(web1, '10.0.1.12')
      await allReceived(web2, '10.0.1.11')
      await allReceived(web1, '10.0.1.1')
    },
    'Two gateways': async cook => {
      await cook()
      await net.ready()
      await reaches(web1, FAR)
      const { server, stream } = await connection(web1, outside, FAR)
      await goesOn(stream)
      await returnBy('gateway2')
      await goesOn(stream)
      await net.host('gateway1').linkDown('uplink0')
      await goesOn(stream)
      await net.host('gateway1').ip('link set dev uplink0 up')
      await net.ready()
      await sound(stream)
      await server.close()
      await returnBy('gateway1')
    },
    'Many behind one address': async cook => {
      await cook()
      await cook()
      await reaches(web1, FAR)
      await reaches(web2, FAR)
      for (const vm of [web1, web2])
        await until(
          `${vm.name} is translated`,
          async () => (await sourceOf(vm)) === '203.0.113.200'
        )
      await reaches(outside, '10.0.1.12')
      const { server, stream } = await connection(outside, web1, '10.0.1.11')
      await sound(stream)
      await server.close()
      const stray = await outside.ping('203.0.113.200', { count: 3, timeoutMs: 500 })
      assert.equal(stray.received, 0)
      assert.ok(((await net.counters())['drop.nat.no-translation'] ?? 0) > 0)
    },
    'A virtual address for two servers': async cook => {
      await cook()
      const servers = [await web1.tcp.serve(80), await web2.tcp.serve(80)]
      const reached = new Set<string>()
      for (let i = 0; i < 40 && reached.size < 2; i++)
        for (const server of servers) {
          const wish = { server, to: '203.0.113.201', port: 80, timeoutMs: 1000 }
          const stream = await outside.tcp.stream(wish).catch(() => undefined)
          if (stream === undefined) continue
          reached.add(server.node.name)
          await sound(stream)
        }
      assert.equal(reached.size, 2, `only ${[...reached]} answered`)
      for (const server of servers) await server.close()
    },
    'Answers only': async cook => {
      await reaches(web1, '10.0.1.12')
      await cook()
      await reachesNot(web1, '10.0.1.12')
      for (const to of ['10.0.1.11', FAR]) {
        await reaches(web2, to) // its host has heard of the policy too
        await allReceived(web2, to)
      }
      const server = await web2.tcp.serve(22)
      const wish = { server, to: '10.0.1.12' }
      await assert.rejects(web1.tcp.stream({ ...wish, timeoutMs: 1000 }))
      await cook()
      await sound(await web1.tcp.stream(wish))
      await server.close()
      await reachesNot(web1, '10.0.1.12')
    },
    'A virtual machine moves': async cook => {
      const { server, stream } = await connection(web1, outside, FAR)
      await goesOn(stream)
      await web1.moveTo(net.host('compute2'))
      await cook()
      await sound(stream)
      await server.close()
      await allReceived(web2, '10.0.1.11')
    }
  }

  for (const { title, blocks } of recipes())
    test(`F2 recipe: ${title}`, async () => {
      const look = looks[title]
      assert.ok(look !== undefined, 'nobody looks at what this recipe promises')
      let next = 0
      await look(async () => {
        for (const words of blocks[next++]!) await run(words)
      })
      assert.equal(next, blocks.length, 'a block that nobody runs')
    })
})

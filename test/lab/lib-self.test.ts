// The lab tests itself, with no Mezzo in it: two VMs joined by a plain Linux bridge must show what
// the lab claims to measure, and nothing may stay behind, not even after a kill -9.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Crowd,
  CrowdServer,
  call,
  type Host,
  Lab,
  until,
  usageOf,
  type Vm
} from '../../src/lab/index.ts'

const skip = Lab.available() ?? false
const leftOf = (prefix: string): string[] =>
  existsSync('/run/netns')
    ? readdirSync('/run/netns').filter(name => name.startsWith(`${prefix}.`))
    : []

// A zombie that waits for init has no command line any more.
const runs = (pid: number): boolean =>
  existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''

describe('two VMs at a Linux bridge', { skip }, () => {
  const prefix = 'mz-lab-self'
  let lab: Lab
  let host: Host
  let a: Vm
  let b: Vm

  before(async () => {
    lab = await Lab.open({ prefix })
    host = await lab.host('host')
    ;[a, b] = await Promise.all([
      host.vm('a', { addresses: ['10.0.1.1/24', 'fd00:1::1/64'] }),
      host.vm('b', { addresses: ['10.0.1.2/24', 'fd00:1::2/64'], kind: 'tap' })
    ])
    await host.ip(
      'link add br0 type bridge forward_delay 0 mcast_snooping 0',
      'link set dev br0 up',
      'link set dev a master br0',
      'link set dev b master br0'
    )
  })

  after(async () => {
    await lab?.close()
    assert.deepEqual(leftOf(prefix), [])
    assert.equal(existsSync(`/run/mezzo-lab/${prefix}`), false)
  })

  test('ping counts answers of both families and every size', async () => {
    for (const family of [4, 6] as const) {
      for (const size of [1, 1400, 60_000]) {
        // After the first answer ping waits for the last one as long as an interval.
        const result = await a.ping(b.address(family), { count: 2, size, intervalMs: 300 })
        assert.equal(result.received, 2, result.output)
      }
    }
  })

  test('ping tells who refused and the MTU', async () => {
    await a.ip('link set dev eth0 mtu 1300')
    const result = await a.ping(b.address(4), { count: 1, size: 1400, df: true })
    await a.ip('link set dev eth0 mtu 1500')
    assert.equal(result.received, 0)
    assert.equal(result.errors[0]?.mtu, 1300)
    const lost = await a.ping('10.0.1.9', { count: 1, timeoutMs: 50 })
    assert.deepEqual([lost.received, lost.first, lost.rttMs], [0, null, [null]])
  })

  test('an answer that comes late has come, also when it is the last', async () => {
    await a.sysctl({ 'ipv4/neigh/eth0/mcast_solicit': 30 })
    const capture = await host.capture('a', 'icmp')
    const pings = a.ping(b.address(4), { count: 2, intervalMs: 1000, timeoutMs: 30_000 })
    await until('the first answer', () => capture.count >= 2)
    await host.linkDown('b')
    await a.ip('neigh flush dev eth0') // the second waits for an answer to ARP
    await sleep(2600)
    await host.linkUp('b')
    const { received, output } = await pings
    await capture.stop()
    assert.equal(received, 2, output)
  })

  test('a capture decodes what crossed, and reads it raw', async () => {
    const capture = await host.capture('a', 'icmp')
    await a.ping(b.address(4), { count: 2, intervalMs: 300 })
    await until('four frames', () => capture.count === 4)
    await capture.stop()
    const frames = await capture.frames(['ip.src', 'icmp.type'])
    assert.equal(frames[0]?.protocols, 'eth:ethertype:ip:icmp:data')
    assert.deepEqual(
      frames.map(({ fields }) => fields['icmp.type']![0]),
      ['8', '0', '8', '0']
    )
    assert.deepEqual(frames[1]!.fields['ip.src'], ['10.0.1.2'])
    assert.equal(capture.raw()[0]!.bytes.length, frames[0]!.length)
  })

  for (const speaks of ['client', 'server', 'both'] as const)
    test(`a stream in which ${speaks} speaks shows a gap of 300 ms and survives it`, async () => {
      const server = await b.tcp.serve()
      const stream = await a.tcp.stream({ server, to: b.address(4), speaks })
      await until('bytes', async () => (await stream.report()).receivedBytes > 1000)
      await host.linkDown('b')
      await sleep(300)
      await host.linkUp('b')
      const before = (await stream.report()).receivedBytes
      await until('it goes on', async () => (await stream.report()).receivedBytes > before + 200)
      const report = await stream.stop()
      await server.close()
      assert.ok(report.sound, JSON.stringify(report))
      assert.ok(report.gapMaxMs >= 280, `a gap of ${report.gapMaxMs} ms`)
      assert.ok(report.retransmits > 0)
    })

  for (const speaks of ['client', 'server'] as const)
    test(`a crowd in which the ${speaks} speaks goes on; what does not open says why`, async () => {
      const server = await CrowdServer.start(b)
      const options = { server, to: b.address(4), speaks, count: 5 }
      const crowd = await Crowd.open(a, options)
      const { total, survived } = await crowd.report()
      assert.deepEqual([total, survived], [5, 5])
      await crowd.close()
      await server.end.stop()
      await assert.rejects(
        Crowd.open(a, options),
        /5 of 5 connections from .* do not open: ECONNREFUSED$/
      )
    })

  test('calls that nobody answers end, few at once too, and have failed', async () => {
    await a.ping(b.address(4), { count: 1 }) // a knows where b is
    await host.linkDown('b')
    const few = { port: 9, count: 20, perSecond: 1000, atOnce: 8, patienceS: 1 }
    const { connections, done, failed } = await call(a, b.address(4), few)
    await host.linkUp('b')
    assert.deepEqual({ connections, done, failed }, { connections: 20, done: 0, failed: 20 })
  })

  test('a stream as fast as it goes delivers every byte as it was', async () => {
    const server = await a.tcp.serve()
    const stream = await b.tcp.stream({ server, to: a.address(6), speaks: 'both', everyMs: 0 })
    await until('50 MB', async () => (await stream.report()).receivedBytes > 50e6)
    const report = await stream.stop()
    assert.ok(report.sound, JSON.stringify(report))
  })

  test('UDP questions are answered one by one, each from a new port', async () => {
    const server = await b.traffic.echo(7)
    for (const to of b.addresses) {
      const { received, rttUs } = await a.traffic.ask({ to, port: 7, count: 50, newPorts: true })
      assert.equal(received, 50)
      assert.ok(rttUs.every(us => us > 0))
    }
    await server.stop()
    const none = await a.traffic.ask({ to: b.address(4), port: 7, count: 2, timeoutMs: 50 })
    assert.deepEqual([none.received, none.rttUs], [0, [-1, -1]])
  })

  test('a flood sends as many new flows as it says, with true checksums', async () => {
    const hits = await b.traffic.discard(9)
    const capture = await host.capture('a', 'udp', { framesMax: 100 })
    for (const to of b.addresses) {
      const before = await host.counters('a')
      const sent = await a.traffic.flood({ to, seconds: 0.5, pps: 20_000, flows: 50_000 })
      const after = await host.counters('a')
      assert.ok(sent.sent > 100, `${sent.sent} frames in half a second at 20 000/s`)
      assert.ok(after.rx.packets - before.rx.packets >= sent.sent)
    }
    assert.ok((await hits()) > 100)
    await until('100 frames are captured', () => capture.count >= 100)
    const frames = await capture.frames(['udp.srcport', 'udp.checksum.status'])
    assert.equal(new Set(frames.map(({ fields }) => fields['udp.srcport']![0])).size, 100)
  })

  test('connections per second and bulk TCP are measured', async () => {
    const server = await b.traffic.serve(80)
    const { rate, faults } = await a.traffic.rate(b.address(4), 80, 0.3)
    await server.stop()
    assert.ok(rate > 0 && faults === 0, `${rate}/s, ${faults} faults`)
    const { gbps } = await a.traffic.bulk(b, b.address(4), 1)
    assert.ok(gbps > 0, `${gbps} Gbit/s`)
  })

  test('a program that does not exist or does not end is an error that says so', async () => {
    await assert.rejects(a.must(['/nonexistent']), /nonexistent/)
    await assert.rejects(a.exec(['sleep', '10'], { timeoutMs: 50 }), /sleep 10 did not end/)
    await assert.rejects(a.ip('link set dev eth9 up'), /eth9/)
    assert.ok(usageOf(a.inside.pid).rssBytes > 1e6)
  })
})

describe('faults of the underlay', { skip }, () => {
  test('a partition cuts, healing joins', async () => {
    await using lab = await Lab.open({ prefix: 'mz-lab-faults' })
    const underlay = await lab.underlay({ subnet: '172.31.5.0/24', mtu: 1700 })
    const [one, two, three] = await Promise.all(
      ['one', 'two', 'three'].map(name => lab.host(name, { underlay }))
    )
    const reach = async (from: Host, to: Host): Promise<number> =>
      (await from.ping(to.underlay.ip, { count: 1, size: 1672, df: true })).received
    assert.equal(one!.underlay.ip, '172.31.5.1')
    assert.equal(await reach(one!, two!), 1)
    await underlay.partition(['one'], ['two', 'three'])
    assert.deepEqual([await reach(one!, two!), await reach(two!, three!)], [0, 1])
    await underlay.heal()
    assert.equal(await reach(one!, two!), 1)
    await assert.rejects(underlay.partition(['one'], ['four']), /no host four/)
  })
})

describe('an outside network behind a gateway', { skip }, () => {
  test('is reached through the gateway, also after the VM was unplugged', async () => {
    await using lab = await Lab.open({ prefix: 'mz-lab-outside' })
    const gateway = await lab.host('gateway')
    const vm = await gateway.vm('vm', {
      addresses: ['10.0.1.5/24', 'fd00:1::5/64'],
      gateway: '10.0.1.1',
      gateway6: 'fd00:1::1'
    })
    const outside = await lab.outside('internet', {
      links: [{ host: gateway, interface: 'up0', addresses: ['203.0.113.1/24', '2001:db8::1/64'] }],
      addresses: ['198.51.100.1/32', '2001:db8:1::1/128'],
      routes: [
        { to: '10.0.0.0/8', via: '203.0.113.2' },
        { to: 'fd00:1::/64', via: '2001:db8::2' }
      ]
    })
    // Here the gateway's kernel routes, where otherwise Mezzo would.
    const on = { 'ipv6/conf/vm/disable_ipv6': 0, 'ipv6/conf/up0/disable_ipv6': 0 }
    await gateway.sysctl({ ...on, 'ipv4/ip_forward': 1, 'ipv6/conf/all/forwarding': 1 })
    await gateway.ip(
      'addr add 10.0.1.1/24 dev vm',
      'addr add fd00:1::1/64 dev vm nodad',
      'addr add 203.0.113.2/24 dev up0',
      'addr add 2001:db8::2/64 dev up0 nodad',
      'route add default via 203.0.113.1',
      'route add default via 2001:db8::1'
    )
    for (const to of ['198.51.100.1', '2001:db8:1::1']) {
      const far = await vm.ping(to, { count: 1 })
      assert.equal(far.received, 1, far.output)
      const near = await vm.ping(to, { count: 1, ttl: 1 })
      assert.match(near.errors[0]!.text, /exceeded/)
      assert.equal(near.errors[0]!.from, to.includes(':') ? 'fd00:1::1' : '10.0.1.1')
    }
    await vm.unplug()
    await vm.plug()
    for (const to of ['198.51.100.1', '2001:db8:1::1']) {
      const far = await vm.ping(to, { count: 1 })
      assert.equal(far.received, 1, far.output)
    }
    assert.equal((await outside.ping('10.0.1.5', { count: 1 })).received, 1)
  })
})

describe('nothing stays behind', { skip }, () => {
  const prefix = 'mz-lab-crash'
  const script = `
    import { Lab } from ${JSON.stringify(join(import.meta.dirname, '../../src/lab/index.ts'))}
    const lab = await Lab.open({ prefix: '${prefix}' })
    const host = await lab.host('host')
    const vm = await host.vm('a', { addresses: ['10.0.1.1/24'], kind: 'tap' })
    const job = vm.spawn(['sleep', '60'])
    await vm.tcp.serve()
    process.stdout.write('up ' + job.pid + '\\n')
    if (process.argv[1] === 'throw') setTimeout(() => { throw new Error('on purpose') }, 10)
    setInterval(() => {}, 1000)
  `

  async function start(argument = '') {
    const args = ['--input-type=module-typescript', '-e', script, argument]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    const exited = once(child, 'exit') as Promise<[number | null, string | null]>
    let text = ''
    child.stdout!.on('data', chunk => (text += chunk))
    await until('the other lab', () => /up \d+/.test(text))
    return { child, exited, job: Number(/up (\d+)/.exec(text)![1]) }
  }

  test('a living owner is respected; what a killed one left is cleaned by the next', async () => {
    const { child, exited, job } = await start()
    await assert.rejects(Lab.open({ prefix }), new RegExp(`in use by process ${child.pid}`))
    child.kill('SIGKILL')
    await exited
    assert.equal(leftOf(prefix).length, 2)
    const lab = await Lab.open({ prefix })
    assert.deepEqual(leftOf(prefix), [])
    await until('the orphan is gone', () => !runs(job))
    await lab.close()
  })

  for (const [how, signal] of [
    ['SIGTERM', 'SIGTERM'],
    ['an exception', undefined]
  ] as const)
    test(`${how} takes the lab down`, async () => {
      const { child, exited, job } = await start(signal === undefined ? 'throw' : '')
      if (signal !== undefined) child.kill(signal)
      const [status, by] = await exited
      assert.deepEqual([status, by], signal === undefined ? [1, null] : [null, signal])
      assert.deepEqual(leftOf(prefix), [])
      await until('the program is gone', () => !runs(job))
    })

  test('labs with different prefixes live side by side', async () => {
    await using one = await Lab.open({ prefix: 'mz-lab-x' })
    await using two = await Lab.open({ prefix: 'mz-lab-xy' })
    await Promise.all([one.host('host'), two.host('host')])
    await one.close()
    assert.equal(leftOf('mz-lab-xy').length, 1)
    await assert.rejects(Lab.open({ prefix: 'eth0; rm' }), /prefix is "eth0; rm"; expected/)
  })
})

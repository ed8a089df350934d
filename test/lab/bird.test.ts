// BIRD in machines of the lab: what the tests of gateways have outside. Two routers with a cable
// between them tell each other of their networks, and notice at once when the other is gone.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { Lab, must, type Outside, until } from '../../src/lab/index.ts'
import { Bird, missingForBird } from '../../src/lab/services/bird.ts'

const PREFIX = 'mz-bird'
const skip = Lab.available() ?? missingForBird() ?? false
const UP_MS = 60_000

describe('BIRD in the lab', { skip }, () => {
  let lab: Lab
  const machines: Outside[] = []
  const birds: Bird[] = []

  const options = (i: number, password = 'same') => ({
    asn: 65101 + i,
    routerId: `10.9.9.${i + 1}`,
    networks: [`198.51.${100 + i}.0/24`, `2001:db8:${100 + i}::/48`],
    peers: [
      { name: 'four', address: `10.0.0.${2 - i}`, asn: 65102 - i, password, bfd: true },
      { name: 'six', address: `2001:db8::${2 - i}`, asn: 65102 - i }
    ]
  })
  const isUp = async (): Promise<boolean> => {
    const all = birds.flatMap(bird => ['four', 'six'].map(name => bird.session(name)))
    return (await Promise.all(all)).every(session => session.isUp)
  }

  before(async () => {
    lab = await Lab.open({ prefix: PREFIX })
    machines.push(
      await lab.outside('r1', { links: [], addresses: ['198.51.100.1/32', '2001:db8:100::1/128'] })
    )
    const addresses = ['10.0.0.2/24', '2001:db8::2/64']
    const there = ['10.0.0.1/24', '2001:db8::1/64']
    const links = [{ host: machines[0]!, interface: 'far', addresses, there }]
    machines.push(await lab.outside('r2', { links, addresses: ['198.51.101.1/32'] }))
    for (const [i, machine] of machines.entries()) birds.push(await Bird.start(machine, options(i)))
    await until('sessions', isUp, UP_MS)
  })
  after(async () => {
    await Promise.all(birds.map(bird => bird.close()))
    await lab?.close()
  })

  test('networks of both families are told, and the kernel has the way', async () => {
    const all = ['198.51.100.0/24', '198.51.101.0/24', '2001:db8:100::/48', '2001:db8:101::/48']
    const knowsAll = async (): Promise<boolean> => {
      const known = await birds[1]!.networks()
      return all.every(each => known.includes(each))
    }
    await until('networks', knowsAll, UP_MS)
    await until(
      'the way',
      async () => (await machines[1]!.ping('198.51.100.1')).received > 0,
      UP_MS
    )
  })

  // It is a machine of its own, which what else runs here does not keep from answering BFD.
  test('it runs before ordinary programs where it may', async () => {
    const may = spawnSync('chrt', ['--fifo', '1', 'true']).status === 0
    const pids = (await must(['ip', 'netns', 'pids', machines[0]!.netns])).trim().split('\n')
    const told = await Promise.all(pids.map(pid => must(['chrt', '--all-tasks', '--pid', pid])))
    const policies = told.flatMap(text => [...text.matchAll(/policy: (\w+)/g)].map(([, of]) => of))
    assert.deepEqual(new Set(policies), new Set([may ? 'SCHED_FIFO' : 'SCHED_OTHER']))
  })

  test('another password is no session, and the right one is again', async () => {
    await birds[0]!.change(options(0, 'other'))
    await until('its fall', async () => !(await birds[1]!.session('four')).isUp, UP_MS)
    assert.ok((await birds[1]!.session('six')).isUp)
    await birds[0]!.change(options(0))
    await until('its return', isUp, UP_MS)
  })

  test('one that is killed is missed, and speaks again', async () => {
    await birds[0]!.kill()
    await until('its absence', async () => !(await birds[1]!.session('four')).isUp, UP_MS)
    await birds[0]!.start()
    await until('its return', isUp, UP_MS)
  })
})

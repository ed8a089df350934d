// Neighbours that are watched by BFD alone: real bfdd of FRR, and a real BIRD outside whose static
// routes to us stand while BFD says that we are there.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { BfdWatch } from '../../plugins/bgp/engine/bfd/watch.ts'
import type { BfdState, Speaker } from '../../plugins/bgp/engine/engine.ts'
import { askOnce } from '../../plugins/bgp/engine/frr/vty.ts'
import { VirtualClock } from '../../src/core/clock.ts'
import { isFailure } from '../../src/core/errors.ts'
import { silentLog } from '../../src/core/log.ts'
import { eventually } from '../store/ground.ts'
import { BgpGround, OURS, PEER, PORT, peer, speaker, whyNot } from './bgp-ground.ts'

const NETWORK = '198.51.100.0/24'
// Three seconds: a machine that stands still for a moment is missed by nobody.
const CALM = { intervalMs: 300, multiplier: 10 }
const BFD = { ...CALM, shutdown: false }
// Without an agent neighbours hear that we are down: after this, or not while it begins anew.
const AWAY_MS = 3000
const PATIENT_MS = 600_000
const BOTH = [PEER.v4, PEER.v6].map(address => ({ address, ...BFD }))

describe('BFD with neighbours that speak no BGP', { skip: whyNot() ?? false }, () => {
  let ground: BgpGround
  let agent: Awaited<ReturnType<BgpGround['agent']>>
  let first: Speaker
  let states: readonly BfdState[] | null = null
  let downs = 0

  const watch = (by: Speaker): void => {
    states = null
    by.onBfd(all => {
      for (const { address, state } of all) if (state !== 'up' && stateOf(address) === 'up') downs++
      states = all
    })
  }
  const stateOf = (address: string): string | undefined =>
    states?.find(each => each.address === address)?.state
  const up = (): Promise<void> =>
    eventually(() => assert.deepEqual([stateOf(PEER.v4), stateOf(PEER.v6)], ['up', 'up']))
  const down = (): Promise<void> => eventually(() => assert.equal(stateOf(PEER.v4), 'down'))
  const begin = async (withdrawAfterMs = PATIENT_MS): Promise<void> => {
    agent = await ground.agent({ withdrawAfterMs })
    first = await agent.engine.open(ground.place)
    watch(first)
  }
  const end = async (): Promise<void> => {
    await first.leave()
    await agent.processes.close()
  }
  const leadsToUs = async (): Promise<boolean> => (await ground.learnedOutside()).includes(NETWORK)
  const since = async (): Promise<string> => (await ground.neighbourOutside(OURS.v4)).since
  const pidOfBfdd = (): number => {
    const short = PORT.slice(0, 8)
    const text = readFileSync(join(ground.engineFolder, short, `bfdd-${short}.pid`), 'utf8')
    return Number.parseInt(text, 10)
  }
  const silent = async (what: () => Promise<void>): Promise<void> => {
    const drop = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} priority -300; policy drop; }`
    await ground.outside.nft(`table inet cut { ${drop('prerouting')}; ${drop('output')}; }`)
    try {
      await what()
    } finally {
      await ground.outside.nft('delete table inet cut')
    }
  }

  before(async () => {
    ground = await BgpGround.open('bfd')
    const routes = [
      { prefix: NETWORK, via: OURS.v4, bfd: true },
      { prefix: '2001:db8:1::/48', via: OURS.v6, bfd: true }
    ]
    await ground.outsideSpeaks({ routes, bfd: CALM })
    await begin()
    await ground.plug(first.interface)
  })
  after(() => ground?.close())

  test('neighbours of both families come up, without BGP, and send to us', async () => {
    await first.apply(null, BOTH)
    await up()
    await eventually(async () => assert.ok(await leadsToUs()))
    assert.deepEqual(await first.sessions(), [])
  })

  test('one that is a peer too is refused, and so is what is no interval', async () => {
    const refused = (at: RegExp) => (error: unknown) =>
      isFailure(error, 'INVALID') && at.test(error.message)
    await assert.rejects(first.apply(speaker({ peers: [peer()] }), BOTH), refused(/watched\[0\]/))
    const wrong = BOTH.map(each => ({ ...each, intervalMs: 0 }))
    await assert.rejects(first.apply(null, wrong), refused(/watched\[0\].intervalMs is 0/))
    await up()
  })

  test('a link that is silent is missed, and why; it comes back', async () => {
    await silent(async () => {
      await down()
      const { reason } = states!.find(({ address }) => address === PEER.v4)!
      assert.match(reason ?? '', /detection time expired/)
    })
    await up()
    assert.equal(states!.find(({ address }) => address === PEER.v4)!.reason, null)
  })

  test('a change is heard without asking: by a clock that stands still', async () => {
    const folder = join(ground.engineFolder, PORT.slice(0, 8), 'daemons')
    const clock = new VirtualClock()
    const ask = () => askOnce(join(folder, 'bfdd.vty'), clock, 'show bfd peers json')
    const parts = { clock, log: silentLog(), socket: join(folder, 'bfdd.sock'), ask }
    const quiet = new BfdWatch(parts)
    let heard: readonly BfdState[] = []
    quiet.listen(all => {
      heard = all
    })
    const isAt = (expected: string): Promise<void> =>
      eventually(() =>
        assert.deepEqual(
          heard.map(({ state }) => state),
          [expected, expected]
        )
      )
    quiet.open()
    try {
      await isAt('up')
      await silent(() => isAt('down'))
      await isAt('up')
    } finally {
      quiet.close()
    }
    await up()
  })

  test('BGP beside it, and another interval, leave it alone', async () => {
    const before = await since()
    const seen = downs
    const other = speaker({ peers: [peer({ address: '10.9.0.3', asn: 65_003 })] })
    await first.apply(other, BOTH)
    await first.apply(
      other,
      BOTH.map(each => ({ ...each, multiplier: 20 }))
    )
    await first.apply(null, BOTH)
    await up()
    assert.deepEqual([await since(), downs], [before, seen])
  })

  test('one that is shut hears so, and sends to us no more; and again', async () => {
    await first.apply(
      null,
      BOTH.map(each => ({ ...each, shutdown: true }))
    )
    await eventually(() => assert.equal(stateOf(PEER.v4), 'admin-down'))
    await eventually(async () => assert.ok(!(await leadsToUs())))
    await first.apply(null, BOTH)
    await up()
    await eventually(async () => assert.ok(await leadsToUs()))
  })

  test('an agent that ends is missed by nobody, and the next one hears how it is', async () => {
    const before = await since()
    await end()
    await begin()
    await up()
    await first.apply(null, BOTH)
    await up()
    assert.equal(await since(), before)
  })

  test('an agent that stays away: neighbours hear that we are down, until it is back', async () => {
    await end()
    await begin(AWAY_MS)
    await end()
    await eventually(async () => assert.ok(!(await leadsToUs())))
    await begin()
    await first.apply(null, BOTH)
    await up()
    await eventually(async () => assert.ok(await leadsToUs()))
  })

  test('bfdd is killed: it comes back, and so do its neighbours', async () => {
    const before = pidOfBfdd()
    process.kill(before, 'SIGKILL')
    await eventually(() => assert.notEqual(pidOfBfdd(), before))
    await up()
    await eventually(async () => assert.ok(await leadsToUs()))
    await silent(down) // and it is heard as before
    await up()
  })

  test('without a control socket, as FRR 10.2 is, it is heard too', async () => {
    await end()
    const socket = join(ground.engineFolder, PORT.slice(0, 8), 'daemons', 'bfdd.sock')
    assert.ok(existsSync(socket))
    rmSync(socket)
    await begin()
    await first.apply(null, BOTH)
    await up()
    await silent(down)
    await up()
  })

  test('one that is watched no more is not heard of', async () => {
    await first.apply(null, BOTH.slice(0, 1))
    await eventually(() => assert.equal(stateOf(PEER.v6), undefined))
    assert.equal(stateOf(PEER.v4), 'up')
    await first.close()
    await eventually(async () => assert.ok(!(await leadsToUs())))
  })
})

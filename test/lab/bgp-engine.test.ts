// The engine of BGP with real FRR, and a real BIRD outside.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { RouteHop, Speaker } from '../../plugins/bgp/engine/engine.ts'
import { eventually } from '../store/ground.ts'
import { BgpGround, PEER, speaker, whyNot } from './bgp-ground.ts'

const ROUTES = ['203.0.113.0/24', '192.0.2.0/25', '2001:db8:2::/48']

describe('BGP by FRR', { skip: whyNot() ?? false }, () => {
  let ground: BgpGround
  let first: Speaker
  const learned = new Map<string, readonly RouteHop[]>()
  let isComplete = false

  const up = (by: Speaker): Promise<void> =>
    eventually(async () =>
      assert.deepEqual(
        (await by.sessions()).map(({ state }) => state),
        ['established', 'established']
      )
    )

  before(async () => {
    ground = await BgpGround.open('bgp')
    await ground.bird.configure({ routes: ROUTES })
  })
  after(() => ground?.close())

  test('sessions of both versions come up, routes go there and come back', async () => {
    const { engine } = await ground.agent()
    assert.match(engine.status.version ?? '', /^\d+\.\d+/)
    first = await engine.open(ground.place)
    await ground.plug(first.interface)
    first.onRoutes(update => {
      for (const { prefix, hops } of update.changes)
        if (hops.length > 0) learned.set(prefix, hops)
        else learned.delete(prefix)
      isComplete ||= update.isComplete
    })
    await first.apply(speaker())
    await up(first)
    await eventually(() => assert.deepEqual([...learned.keys()].sort(), [...ROUTES].sort()))
    assert.deepEqual(learned.get('203.0.113.0/24'), [{ gateway: PEER.v4, share: 1 }])
    assert.deepEqual(learned.get('2001:db8:2::/48'), [{ gateway: PEER.v6, share: 1 }])
    await eventually(() => assert.ok(isComplete))
    await eventually(async () =>
      assert.deepEqual((await ground.bird.learned()).sort(), ['198.51.100.0/24', '2001:db8:1::/48'])
    )
  })
})

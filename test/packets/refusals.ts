// B7, B8: what a router says of a fragment that is refused, or cannot be sent on: what it says of a
// whole packet, once (RFC 1122 §3.2.2 exempts later fragments of IPv4, RFC 4443 §2.4 e none).

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { from, type Opener, type Rule, type SceneOptions, staged } from './scene.ts'

const V4 = ['10.1.0.2', '10.2.0.2', '203.0.113.9'] as const
const V6 = ['fd01::a', 'fd02::9', '2001:db8:99::9'] as const

/** A fragment from r0: the first, or a later one. */
function fragment(dst: string, isFirst: boolean, ttl = 64, dontFragment = false): Uint8Array {
  if (dst.includes(':')) {
    const ip = from('r0').ipv6(V6[0], dst, { hopLimit: ttl })
    const cut = ip.fragment6(9, isFirst ? 0 : 1480, isFirst, 17)
    return (isFirst ? cut.udp(1, 2) : cut).payload(40).frame()
  }
  const at = isFirst ? { moreFragments: true } : { fragmentOffset: 1480 }
  const ip = from('r0').ipv4(V4[0], dst, { ...at, id: 9, ttl, protocol: 17, dontFragment })
  return (isFirst ? ip.udp(1, 2) : ip).payload(40).frame()
}

const REFUSED4 = /^r0: .*10\.1\.0\.1 > 10\.1\.0\.2 .*ICMP unreachable code 13/
const REFUSED6 = /^r0: .*fd01::1 > fd01::a .*ICMPv6 unreachable code 1 /

const places: Readonly<Record<string, (rules: readonly Rule[]) => SceneOptions>> = {
  "the router's in-filter": rules => ({ inFilter: rules }),
  "the router's out-filter": rules => ({ outFilter: rules }),
  "a port's in-filter": rules => ({ into: { r0: rules } }),
  "a port's out-filter": rules => ({ outOf: { r1: rules } })
}

export function refusals(open: Opener): void {
  for (const [place, options] of Object.entries(places)) {
    describe(`B7: fragments rejected by ${place}`, () => {
      const scene = staged(open, options([{ action: 'reject' }]))
      for (const dontFragment of [false, true])
        test(`B7: v4, don't fragment ${dontFragment}`, () => {
          const first = scene().say('r0', fragment(V4[1], true, 64, dontFragment))
          assert.equal(first.length, 1, first.join())
          assert.match(first[0]!, REFUSED4)
          assert.deepEqual(scene().say('r0', fragment(V4[1], false, 64, dontFragment)), [])
        })
      test('B7: v6', () => {
        for (const isFirst of [true, false]) {
          const said = scene().say('r0', fragment(V6[1], isFirst))
          assert.equal(said.length, 1, said.join())
          assert.match(said[0]!, REFUSED6)
        }
      })
    })
    describe(`B7: fragments dropped by ${place}`, () => {
      const scene = staged(open, options([{ action: 'drop' }]))
      for (const isFirst of [true, false])
        test(`B7: in silence, ${isFirst ? 'first' : 'later'}`, () => {
          for (const dst of [V4[1], V6[1]])
            assert.deepEqual(scene().say('r0', fragment(dst, isFirst)), [])
          assert.deepEqual(scene().say('r0', fragment(V4[1], isFirst, 64, true)), [])
        })
    })
  }
}

export function lostFragments(open: Opener): void {
  describe('B8: fragments that cannot be sent on', () => {
    const scene = staged(open)
    const lost = (frame: Uint8Array): string => {
      const said = scene().say('r0', frame)
      assert.ok(said.length <= 1, said.join())
      return said.join()
    }

    for (const isFirst of [true, false]) {
      const name = isFirst ? 'first' : 'later'
      test(`B8: no hop left, v6, ${name}`, () =>
        assert.match(lost(fragment(V6[1], isFirst, 1)), /^r0: .*fd01::1 > fd01::a .*time-exceeded/))
      test(`B8: no route, v6, ${name}`, () =>
        assert.match(
          lost(fragment(V6[2], isFirst)),
          /^r0: .*fd01::1 > fd01::a .*unreachable code 0/
        ))
    }

    test('B8: of IPv4 the first only', () => {
      assert.match(lost(fragment(V4[1], true, 1)), /^r0: .*time-exceeded/)
      assert.match(lost(fragment(V4[2], true)), /^r0: .*unreachable code 0/)
      assert.equal(lost(fragment(V4[1], false, 1)), '')
      assert.equal(lost(fragment(V4[2], false)), '')
    })

    test('B8: a flow whose hops run out for a later packet of it', () => {
      assert.equal(scene().say('r0', fragment(V6[1], false)).length, 1)
      assert.match(lost(fragment(V6[1], false, 1)), /time-exceeded/)
    })
  })
}

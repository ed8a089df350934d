// The part of the conformance test about size: what a flow's interfaces and tunnels do not take
// comes up instead.  An interface counts what is behind the tags, a tunnel the tags too.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reason } from '../../src/datapath/datapath.ts'
import { eth } from '../../src/wire/builder.ts'
import { A, B, type Ground, hex, IN, list, texts } from './ground.ts'

const sized = (size: number, tags = 0, v6 = false): Uint8Array => {
  let frame = eth(A, B)
  for (let i = 0; i < tags; i++) frame = frame.vlan(3 + i)
  return v6
    ? frame
        .ipv6('2001:db8::1', '2001:db8::2')
        .udp(50, 7)
        .payload(size - 48)
        .frame()
    : frame
        .ipv4('10.0.0.1', '10.0.0.2')
        .udp(50, 7)
        .payload(size - 28)
        .frame()
}

export function sizes(at: Ground): void {
  for (const [what, limits, fits, doesNot] of [
    ['an interface', { mtu: 600, room: 0 }, [600, 600, 600], 601],
    ['a tunnel', { mtu: 0, room: 600 }, [600, 596, 592], 601],
    ['both, the interface less', { mtu: 500, room: 600 }, [500, 500, 500], 501],
    ['both, the tunnel less', { mtu: 600, room: 500 }, [500, 496, 492], 501]
  ] as const)
    test(`B2: what does not fit ${what} comes up`, async () => {
      await at.fresh()
      at.flows.install(at.keyOf(sized(60)), IN, list(at.out(1)), 0, false, limits)
      const small = fits.flatMap((size, tags) => [sized(size, tags), sized(size, tags, true)])
      const big = fits.flatMap((size, tags) => [sized(size + 1, tags), sized(size + 1, tags, true)])
      at.rig.send(0, ...small, ...big, sized(doesNot))
      assert.deepEqual(
        texts(await at.rig.arrivals(small.length)),
        small.map(frame => `1 ${hex(frame)}`)
      )
      const seen = await at.taker.upcalls(big.length + 1)
      assert.deepEqual(
        seen.map(({ bytes, reason }) => [hex(bytes), reason]),
        [...big, sized(doesNot)].map(frame => [hex(frame), Reason.mtu])
      )
      assert.deepEqual(await at.rig.arrivals(0), [])
    })
}

// Which static uplinks a port has, and whom BFD is asked for.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PortModel } from '../../../src/control.ts'
import { planOf, type RouterView } from './plan.ts'
import { staticsAt, watchedOf } from './static-plan.ts'

const ROUTER = 'r'
const port: PortModel = {
  ...{ id: 'p', type: 'router', device: ROUTER, host: 'h', interface: 'up' },
  ...{ mac: '02:4d:00:00:00:01', addresses: ['2001:db8::2/64', '180.0.1.2/24'] }
}
const bfd = { intervalMs: 300, multiplier: 3 }
const uplink = { id: 'a', router: ROUTER, address: '180.0.1.1' }

test('those whose network the port has, or that name it; one an address', () => {
  const all = [
    { ...uplink, name: 'isp', share: 3, weight: 50, bfd },
    {
      ...uplink,
      id: 'b',
      address: '2001:db8:0:0::1',
      prefixes: ['2001:DB8:9::/48', '2001:db8:9:0::/48']
    },
    { ...uplink, id: 'c', port: 'p' }, // another of the same address, past the API
    { ...uplink, id: 'd', address: '180.0.2.1' },
    { ...uplink, id: 'e', address: '180.0.1.7', port: 'q' }
  ]
  assert.deepEqual(staticsAt(port, all, ['host-drained']), [
    {
      ...{ id: 'a', name: 'isp', address: '180.0.1.1', weight: 50, share: 3, bfd },
      ...{ prefixes: ['0.0.0.0/0'], reasons: ['host-drained'], isShut: false }
    },
    {
      ...{ id: 'b', name: '2001:db8::1', address: '2001:db8::1', weight: undefined, share: 1 },
      ...{ prefixes: ['2001:db8:9::/48'], bfd: null, reasons: ['host-drained'], isShut: false }
    }
  ])
})

test('BFD is asked for those that want it, and shut where nobody is to send to us', () => {
  const watched = (reasons: string[], more: object = {}) =>
    watchedOf(staticsAt(port, [{ ...uplink, bfd, ...more }], reasons))
  const address = uplink.address
  assert.deepEqual(watched([]), [{ address, ...bfd, shutdown: false }])
  assert.deepEqual(watched(['port-inactive']), [{ address, ...bfd, shutdown: true }])
  assert.deepEqual(watched([], { adminStateUp: false }), [{ address, ...bfd, shutdown: true }])
  assert.deepEqual(watched([], { bfd: undefined }), [])
})

test('an engine is needed for BFD alone, and no speaker; what lacks one says so beside it', () => {
  const view = (more: Partial<RouterView>): RouterView => ({
    ...{ isUp: true, speakers: [], peers: [], networks: [], ports: [] },
    ...{ statics: [], routes: [] },
    policies: new Map(),
    ...more
  })
  const planned = (more: Partial<RouterView>) => planOf(port, view(more), 'no', [])
  const plain = planned({ statics: [uplink] })
  assert.deepEqual([plain.plan, plain.reason, plain.statics.length], [null, null, 1])
  const { plan, reason } = planned({ statics: [{ ...uplink, bfd }] })
  assert.deepEqual([plan?.config, plan?.watched.length, reason], [null, 1, null])
  const peers = [{ id: 'x', router: ROUTER, address: '180.0.1.9', asn: 65_101 }]
  const both = planned({ statics: [{ ...uplink, bfd }], peers })
  assert.match(both.reason ?? '', /no bgp-speaker/)
  assert.deepEqual([both.plan?.config, both.plan?.watched.length], [null, 1])
  const same = planned({ statics: [{ ...uplink, bfd }], peers: [{ ...peers[0]!, ...uplink }] })
  assert.deepEqual([same.statics, same.plan], [[], null], 'a peer, past the API')
})

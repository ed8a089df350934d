// A bridge with two ports on one host: the least world in which a flow can be made.

import bridge from '../../plugins/bridge/index.ts'
import type { Plugin } from '../../src/plugin.ts'
import { eth } from '../../src/wire/builder.ts'
import type { WorldObject } from './store.ts'

export const PLUGINS = [bridge] as unknown as readonly Plugin[]
export const MACS = ['02:00:00:00:00:0a', '02:00:00:00:00:0b']
export const OBJECTS: readonly WorldObject[] = [
  { kind: 'bridge', value: { id: 'net' } },
  ...['a', 'b'].map((id, i) => ({
    kind: 'port',
    value: { ...{ id, number: i + 1, type: 'bridge', device: 'net' }, host: 'h', interface: id }
  }))
]

/** From one of the MACs to another, by number. */
export const unicast = (from: number, to: number): Uint8Array =>
  eth(MACS[from]!, MACS[to]!).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).frame()

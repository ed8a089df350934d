// Packets that go through in both directions: plain ones, with IPv4 options or IPv6 extension
// headers, without a UDP checksum, and behind a VLAN tag.

import type { Extra, Family } from './bytes.ts'
import type { Part } from './cells.ts'
import type { Form, Kind } from './flow.ts'
import type { Config } from './network.ts'

export const EXTRAS: Readonly<Record<Family, readonly Extra[]>> = {
  4: ['options'],
  6: ['hop-by-hop', 'destination']
}

/** Pings are translated only where no rule asks for ports, and a VIP answers them itself. */
export const kindsOf = ({ way, asks }: Config): readonly Kind[] =>
  asks || way === 'vip' ? ['udp', 'tcp'] : ['udp', 'tcp', 'echo']

const CHECKSUMS = 'RFC 3022 §4.1, RFC 1624: every checksum is that of what the receiver sees'
const ZERO = 'RFC 768: no checksum stays none'

export function formCells(family: Family, config: Config): Part[] {
  const parts: Part[] = []
  const add = (kind: Kind, name: string, form: Form, why = CHECKSUMS): void => {
    for (const place of ['near', 'far', 'vlan'] as const)
      parts.push({
        ...{ group: place === 'vlan' ? 'vlan' : 'forms', place, why },
        name: `${kind} ${name}`,
        play: stage => {
          const flow = stage.flow(family, kind)
          stage.carry(flow, 'request', { ...form, flags: 0x02 })
          stage.carry(flow, 'response', { ...form, flags: 0x12 })
          stage.carry(flow, 'request', form)
          stage.carry(flow, 'response', form)
        }
      })
  }
  for (const kind of kindsOf(config)) {
    add(kind, 'plain', {})
    for (const extra of EXTRAS[family]) add(kind, extra, { extra })
  }
  if (family === 4) add('udp', 'zero checksum', { zero: true }, ZERO)
  return parts
}

// Packets that hide what they are: a first fragment that ends within the TCP header, or IPv6
// headers that lead to no transport header.  No rule about ports could match them, though their
// receiver may put together the very packet a rule forbids (RFC 1858 §3, RFC 7112 §5).

import { ethernet, Fragment, ipv4, type SimulationContext } from '../../src/plugin.ts'

// Hop-by-hop, routing, fragment, authentication, destination options: the last header in the key
// only when the way through them ended early.
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 44, 51, 60])

export function hidesTransport({ key }: SimulationContext): boolean {
  const type = key.ethType
  if (type !== ethernet.Type.ipv4 && type !== ethernet.Type.ipv6) return false
  const protocol = key.ipProto
  if (type === ethernet.Type.ipv6 && EXTENSIONS.has(protocol))
    return key.fragment !== Fragment.later
  if (protocol !== ipv4.Protocol.tcp || key.fragment !== Fragment.first) return false
  return key.l4Src === 0 && key.l4Dst === 0
}

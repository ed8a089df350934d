// IP protocols by name, as rules may say them (IANA's keywords).

const NUMBERS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  ospf: 89,
  vrrp: 112,
  sctp: 132
}

/** Names that a rule may give for a protocol. */
export const protocolNames = Object.keys(NUMBERS)

/** undefined: no such name. It is never taken for "any protocol". */
export function protocolNumber(protocol: number | string): number | undefined {
  if (typeof protocol === 'number') return protocol
  return Object.hasOwn(NUMBERS, protocol) ? NUMBERS[protocol] : undefined
}

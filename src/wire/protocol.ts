// IP protocol numbers (IANA), shared by IPv4's `protocol` and IPv6's `next header`.

/** Numbers of IP protocols and extension headers (IANA, Protocol Numbers). */
export const Protocol = {
  hopByHop: 0,
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  routing: 43,
  fragment: 44,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  none: 59,
  destinationOptions: 60,
  sctp: 132
} as const

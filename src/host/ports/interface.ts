// The network interfaces of a host, as the kernel reports them. agent/kernel-platform.ts has the
// kernel's, agent/memory-platform.ts and test/world have their own.

export interface Interface {
  readonly ifindex: number
  readonly name: string
  readonly up: boolean
  readonly mtu: number
  readonly mac: string
  /** `veth`, `tun`, `loopback` …; '' for hardware. */
  readonly kind: string
  /** It is a veth whose other end is in another namespace. */
  readonly peerElsewhere: boolean
  /** IPv4, without length. */
  readonly addresses: readonly string[]
}

export interface InterfaceWatcher {
  list(): readonly Interface[]
  /** Calls when interfaces, their addresses or their MTUs may have changed. */
  onChange(fire: () => void): void
  /** Names of those that a default route of the host leaves by. */
  leadOut(): ReadonlySet<string>
  close(): void
}

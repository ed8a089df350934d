// The network interfaces of a host, as the kernel reports them. kernel-platform.ts has those of the
// kernel, memory-platform.ts and test/world have their own.

/** An interface of this host. */
export interface Interface {
  /** Its number in the kernel. */
  readonly ifindex: number
  readonly name: string
  /** Set up by the operator. */
  readonly up: boolean
  /** Bytes behind the MAC header. */
  readonly mtu: number
  /** As text. */
  readonly mac: string
  /** `veth`, `tun`, `loopback` …; '' for hardware. */
  readonly kind: string
  /** It is a veth whose other end is in another namespace. */
  readonly peerElsewhere: boolean
  /** IPv4, without length. */
  readonly addresses: readonly string[]
}

/** Knows the interfaces of this host. */
export interface InterfaceWatcher {
  /** All of them, as they are now. */
  list(): readonly Interface[]
  /** Calls when interfaces, their addresses or their MTUs may have changed. */
  onChange(fire: () => void): void
  /** Names of those that a default route of the host leaves by. */
  leadOut(): ReadonlySet<string>
  /** Listens no more. */
  close(): void
}

// What speaks BGP and BFD for an uplink port, as the rest of the plugin sees it: programs beside
// the agent, in a network namespace of the port's own, which outlive the agent and are adopted by
// the next one. FRR is behind it.

/** Speaks BGP for uplink ports of one host. */
export interface BgpEngine {
  /** `version` is null when the programs are missing or of an unknown version: see `reason`. */
  readonly status: { readonly version: string | null; readonly reason: string | null }
  /**
   * Makes namespace, cable and programs, or adopts those of an earlier agent. Rejects with
   * UNAVAILABLE, which says why there can be none, and with INVALID.
   */
  open(place: UplinkPlace): Promise<Speaker>
  /** Ids of the ports of which something is left on this host, opened or not. */
  places(): Promise<readonly string[]>
  /**
   * Ends the programs of a port and removes its namespace and files, if there are any. `last` is
   * done when nothing speaks any more, and before the place is forgotten: whoever ends meanwhile
   * leaves a place for the next agent to find.
   */
  remove(port: string, last?: () => Promise<void>): Promise<void>
}

/** Where a speaker is to stand. */
export interface UplinkPlace {
  /** Id of the uplink port. */
  readonly port: string
  /** The port's. */
  readonly mac: string
  /** The port's, IPv4 and IPv6, with prefix lengths. */
  readonly addresses: readonly string[]
  /** How peers are reached that are in no network of the port's; default: there are none. */
  readonly routes?: readonly PlaceRoute[]
  /** Path of the network namespace our end of the cable is in; null: that of our own process. */
  readonly packetNetns: string | null
  /** Default: 1500. */
  readonly mtu?: number
}

/** The way to a peer over several hops. */
export interface PlaceRoute {
  /** Address of the peer. */
  readonly to: string
  /** Of a neighbour in a network of the port's. */
  readonly via: string
}

/** Speaks for one uplink port. */
export interface Speaker {
  /** Our end of the cable, in the packet namespace. */
  readonly interface: string
  /**
   * What it is to do from now on, by difference: a session is reset by a change of its own AS
   * number, peer AS number or password, and all of them by one of ours or of the router id. null:
   * it speaks no BGP. `watched`: neighbours that are no peers, by BFD alone; none when left out.
   * Rejects with INVALID, which names the field, and UNAVAILABLE; what was applied before stays.
   */
  apply(config: SpeakerConfig | null, watched?: readonly WatchedNeighbour[]): Promise<void>
  /** Calls with what is learned from now on, beginning with all there is; one listener. */
  onRoutes(listener: (update: RouteUpdate) => void): void
  /**
   * Calls with what BFD says of all its neighbours, peers too, once it is known and whenever it
   * changes; one listener. Of whom it says nothing, nothing is known to be up.
   */
  onBfd(listener: (states: readonly BfdState[]) => void): void
  /** What became of the peers of the last `apply`, in their order. */
  sessions(): Promise<readonly SessionState[]>
  /** Lets go: programs, sessions and namespace stay for the next agent. */
  leave(): Promise<void>
  /** Ends it for good, as `BgpEngine.remove`. */
  close(last?: () => Promise<void>): Promise<void>
}

/** What has changed among the learned routes, to be taken at once. */
export interface RouteUpdate {
  /** In their order; of one prefix the last counts. */
  readonly changes: readonly RouteChange[]
  /**
   * True once what was said since `onRoutes` is all there is: a prefix that was not named is not
   * learned (any more). Before, more of it is on its way.
   */
  readonly isComplete: boolean
}

/** A learned route, or that it is withdrawn. */
export interface RouteChange {
  /** In its shortest form. */
  readonly prefix: string
  /** Empty: withdrawn. */
  readonly hops: readonly RouteHop[]
}

/** A next hop of a learned route. */
export interface RouteHop {
  /** Its address. */
  readonly gateway: string
  /** Against the other next hops; 1 unless the peer asked for another. */
  readonly share: number
  /** The lowest wins; left out: as all that do not say. */
  readonly weight?: number
}

/** What a speaker is to do. */
export interface SpeakerConfig {
  /** Ours. */
  readonly asn: number
  /** In IPv4's notation. */
  readonly routerId: string
  /** Seconds for which peers keep our routes while we restart; null: they do not. */
  readonly gracefulRestartS: number | null
  /** Next hops of one learned route at most. */
  readonly maximumPaths: number
  /** Announced now. */
  readonly networks: readonly string[]
  /** Each address once. */
  readonly peers: readonly PeerConfig[]
}

/** One of the peers. */
export interface PeerConfig {
  /** IPv4 or IPv6. */
  readonly address: string
  /** The peer's; ours for a session within one AS. */
  readonly asn: number
  /** Seconds between signs of life. */
  readonly keepaliveS: number
  /** Seconds without one until the session is over. */
  readonly holdS: number
  /** Seconds between attempts to connect. */
  readonly connectS: number
  /** TCP-MD5 (RFC 2385); null: none. */
  readonly password: string | null
  /** How many hops away it may be; null: on the link. */
  readonly multihop: number | null
  /** How fast it is missed; null: by the hold time alone. */
  readonly bfd: { readonly intervalMs: number; readonly multiplier: number } | null
  /** Prefixes of a family it may announce; beyond, the session is over. */
  readonly maximumPrefixes: number
  /** No session for now. */
  readonly shutdown: boolean
  /** Of what it announces. */
  readonly import: Policy
  /** Of what we announce to it. */
  readonly export: Policy
}

/** Which prefixes pass, and what is said with them. */
export interface Policy {
  /** The first that covers a prefix decides, and what none covers is denied; empty: all pass. */
  readonly prefixes: readonly PolicyEntry[]
  /** `65001:100`, or a name that is known, such as `no-export`: added. */
  readonly communities?: readonly string[]
  /** Within our AS. */
  readonly localPreference?: number
  /** Multi-exit discriminator. */
  readonly med?: number
  /** How often our AS number is put before the path besides. */
  readonly prepend?: number
}

/** One line of a policy. */
export interface PolicyEntry {
  /** Alone, unless `ge` or `le` is there. */
  readonly prefix: string
  /** Longer prefixes too, from this length. */
  readonly ge?: number
  /** Longer prefixes too, up to this length. */
  readonly le?: number
  /** Whether it passes. */
  readonly action: 'permit' | 'deny'
}

/** What a session is up to. */
export interface SessionState {
  /** The peer's. */
  readonly address: string
  /** The peer's, as configured. */
  readonly asn: number
  /** Of RFC 4271, section 8.2.2. */
  readonly state: 'idle' | 'connect' | 'active' | 'open-sent' | 'open-confirm' | 'established'
  /** Wall clock; null unless established. */
  readonly upSinceMs: number | null
  /** All families. */
  readonly prefixesReceived: number
  /** All families. */
  readonly prefixesSent: number
  /** How often it was established before and is not any more. */
  readonly flaps: number
  /** Why it is not established, or was over the last time; null: nothing is known. */
  readonly lastError: string | null
  /** null: BFD is not asked for. */
  readonly bfd: 'up' | 'down' | 'init' | null
}

/** A neighbour on the link that is watched by BFD alone. */
export interface WatchedNeighbour {
  /** IPv4 or IPv6. */
  readonly address: string
  /** Between two packets, either way. */
  readonly intervalMs: number
  /** So many may be missed. */
  readonly multiplier: number
  /** It is told that we are down, and is not watched. */
  readonly shutdown: boolean
}

/** What BFD says of a neighbour. */
export interface BfdState {
  /** The neighbour's. */
  readonly address: string
  /** Of RFC 5880 §4.1, ours; `admin-down`: we have shut it. */
  readonly state: 'up' | 'down' | 'init' | 'admin-down'
  /** Why it is not up, or was not the last time; null: nothing is known. */
  readonly reason: string | null
}

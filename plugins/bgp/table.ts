// What gateways say of their sessions and of what they announce: a shared table for each router.
//
//   peer <id of the peer> <host>/<port>        → SessionReport
//   network <id of the network> <host>/<port>  → NetworkReport
//   static <id of the static uplink> <host>/<port>  → StaticReport

/** The shared table of what gateways of a router say. */
export const reportTable = (router: string): string => `bgp/${router}`

/** What the keys of an object's entries begin with; one more word says whose entry it is. */
export const reportsOf = (kind: 'peer' | 'network' | 'static', id: string): string =>
  `${kind} ${id} `

/** Whose entry it is: the gateway's, at one of its ports. */
export const placeOf = (host: string, port: string): string => `${host}/${port}`

/** A session, as the gateway sees it. */
export interface SessionReport {
  /** In words of RFC 4271, `down` for one that is not tried. */
  readonly state: string
  /** When it was established. */
  readonly since?: string
  /** Of the session that is, or why there is none. */
  readonly reason?: string
  /** Prefixes taken from the peer. */
  readonly received?: number
  /** Prefixes announced to the peer. */
  readonly sent?: number
  /** Of BFD, where it is asked for. */
  readonly bfd?: string
}

/** A network, as the gateway announces it or not. */
export interface NetworkReport {
  /** To the peers at this port. */
  readonly announced: boolean
  /** Why it is not. */
  readonly reasons?: readonly string[]
}

/** A static uplink, as the gateway sees it. */
export interface StaticReport {
  /** Of BFD, in words of RFC 5880; `unwatched`: it is without; `down`: it is not taken. */
  readonly state: string
  /** When it came up. */
  readonly since?: string
  /** Why it is not up, or is not preferred. */
  readonly reason?: string
}

/** An entry with its place. */
export type Placed<R> = R & { readonly host: string; readonly port: string }

/** Entries of an object; those of other versions are left out. */
export function reportsIn<R>(text: string | undefined, known: (report: R) => boolean): Placed<R>[] {
  const rows = parsed(text)
  if (!Array.isArray(rows)) return []
  return rows.flatMap(row => {
    const [place, value] = row as [string, string]
    const [host, port] = place.split('/')
    const report = parsed(value) as R | undefined
    if (typeof report !== 'object' || report === null || !known(report)) return []
    return host === undefined || port === undefined ? [] : [{ host, port, ...report }]
  })
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

// What the table `health/<pool>` says, as text:
//
//   checker      host id, term
//   <member id>  up|down, since when (seconds since 1970), and why

/** The key under which the checker's host stands. */
export const CHECKER = 'checker'

export const tableOf = (pool: string): string => `health/${pool}`

/** The lease of whoever checks: one for each term. */
export const seatOf = (pool: string, term: number): string =>
  term === 0 ? tableOf(pool) : `${tableOf(pool)}/${term}`

/** Who checks, and in which term. */
export const checkerText = (host: string, term: number): string => `${host} ${term}`
/** The host of such an entry. */
export const hostOf = (checker: string): string => checker.split(' ', 1)[0]!
/** The term of such an entry; 0 when it makes no sense. */
export const termOf = (checker: string): number => Number(checker.split(' ')[1] ?? 0) || 0

/** How a member is: since when, in seconds since 1970, and why. */
export const healthText = (up: boolean, sinceS: number, why: string): string =>
  `${up ? 'up' : 'down'} ${sinceS} ${why}`
/** Whether such an entry says that it is up. */
export const isUp = (health: string): boolean => health.startsWith('up')

/** As the API shows it. */
export function healthOf(member: string | undefined, checker: string | undefined) {
  const by = checker === undefined ? {} : { checker: hostOf(checker) }
  const [, state, since, why] = /^(up|down) ([0-9]{1,10}) (.{1,255})$/.exec(member ?? '') ?? []
  if (since === undefined) return { health: 'unknown', ...by }
  const healthSince = new Date(Number(since) * 1000).toISOString().replace('.000Z', 'Z')
  return { health: state, healthSince, healthReason: why, ...by }
}

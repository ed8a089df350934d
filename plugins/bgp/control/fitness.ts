// How fit a gateway is, in sentences for an operator: what `mezzo host list` shows beside its
// signs of life. A gateway of which nothing is said is as it should be. fitness.test.ts holds it.

import type { UplinkStatus } from './uplink.ts'

/** What an operator should know of these uplinks: each fault once, however many ports have it. */
export function fitnessOf(uplinks: readonly UplinkStatus[], isDrained: boolean): string[] {
  const notes = isDrained ? ['drained: it announces nothing, and traffic is led elsewhere'] : []
  for (const uplink of uplinks) {
    if (uplink.state === 'failed' && uplink.reason !== null) notes.push(uplink.reason)
    notes.push(...uplink.sessions.flatMap(faultOf))
  }
  return [...new Set(notes)]
}

type Session = UplinkStatus['sessions'][number]

// A session that is shut on purpose is none that is missed.
function faultOf({ name, address, state, bfd, lastError, isShut }: Session): string[] {
  const peer = name === address ? address : `${name} (${address})`
  if (isShut) return []
  if (state !== 'established') {
    const why = lastError === null ? '' : `: ${lastError}`
    return [`no BGP session with ${peer}, it is ${state}${why}`]
  }
  return bfd === 'down' ? [`BFD with ${peer} is down`] : []
}

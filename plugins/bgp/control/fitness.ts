// How fit a gateway is, in sentences for an operator: what `mezzo host list` shows beside its
// signs of life. A gateway of which nothing is said is as it should be. fitness.test.ts holds it.

import type { UplinkStatus } from './uplink.ts'

/** What is to be thought of beside uplinks. */
export interface Standing {
  /** An operator has it led around. */
  readonly isDrained: boolean
  /** No other host answers it, and it serves nothing alone. */
  readonly isCutOff: boolean
}

/** What an operator should know of these uplinks: each fault once, however many ports have it. */
export function fitnessOf(uplinks: readonly UplinkStatus[], standing: Standing): string[] {
  const { isDrained, isCutOff } = standing
  const notes = isDrained ? ['drained: it announces nothing, and traffic is led elsewhere'] : []
  if (isCutOff && uplinks.some(({ state }) => state !== 'none'))
    notes.push('cut off: no other host answers, so it announces nothing')
  for (const uplink of uplinks) {
    if (uplink.state === 'failed' && uplink.reason !== null) notes.push(uplink.reason)
    notes.push(...uplink.sessions.flatMap(faultOf), ...uplink.refused.flatMap(refusalOf))
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

// Routers tell the network of the link itself out of habit: that is no news.
const refusalOf = ({ prefix, within, isLink }: UplinkStatus['refused'][number]): string[] =>
  isLink ? [] : [`a peer tells ${prefix}, which is ours (${within}): nobody is led there`]

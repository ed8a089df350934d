// How fit a gateway is, in sentences for an operator: what `mezzo host list` shows beside its
// signs of life. A gateway of which nothing is said is as it should be. fitness.test.ts holds it.

import type { StaticStatus } from './static-uplinks.ts'
import type { UplinkStatus } from './uplink-status.ts'

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
    const { sessions, statics, refused } = uplink
    notes.push(...sessions.flatMap(faultOf), ...statics.flatMap(staticFaultOf))
    notes.push(...refused.flatMap(refusalOf))
  }
  return [...new Set(notes)]
}

type Session = UplinkStatus['sessions'][number]

// A session that is shut on purpose is none that is missed.
function faultOf({ state, bfd, lastError, isShut, damped, ...named }: Session): string[] {
  const peer = nameOf(named)
  if (isShut) return []
  if (state !== 'established') {
    const why = lastError === null ? '' : `: ${lastError}`
    return [`no BGP session with ${peer}, it is ${state}${why}`]
  }
  if (damped !== null) return [`${peer} is taken last, ${damped}`]
  return bfd === 'down' ? [`BFD with ${peer} is down`] : []
}

// Routers tell the network of the link itself out of habit: that is no news.
const refusalOf = ({ prefix, within, isLink }: UplinkStatus['refused'][number]): string[] =>
  isLink ? [] : [`a peer tells ${prefix}, which is ours (${within}): nobody is led there`]

function staticFaultOf({ state, reason, isShut, isKnown, ...named }: StaticStatus): string[] {
  const uplink = nameOf(named)
  if (isShut || !isKnown) return []
  const why = reason === undefined ? '' : `: ${reason}`
  if (state !== 'up' && state !== 'unwatched')
    return [`the static uplink ${uplink} is ${state}${why}`]
  return reason === undefined ? [] : [`${uplink} is taken last, ${reason}`]
}

const nameOf = ({ name, address }: { readonly name: string; readonly address: string }): string =>
  name === address ? address : `${name} (${address})`

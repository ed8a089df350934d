// Whether this machine lets us build a lab at all. Tests skip with the reason; they never skip
// silently.

import { spawnSync } from 'node:child_process'

const programs = ['ip', 'nsenter'] as const
let known: { readonly reason: string | null } | undefined

/** Why there can be no lab here, or null. Asked once, as the answer does not change. */
export function whyUnavailable(): string | null {
  known ??= { reason: look() }
  return known.reason
}

function look(): string | null {
  if (process.platform !== 'linux') return `network namespaces need Linux, not ${process.platform}`
  if (process.geteuid?.() !== 0) return 'not root'
  for (const program of programs)
    if (spawnSync(program, ['-V']).error !== undefined) return `${program} is not installed`
  return probe()
}

function probe(): string | null {
  const name = `mz-probe.${process.pid}`
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' })
  if (made.status !== 0) return `no network namespaces here: ${made.stderr.trim()}`
  const entered = spawnSync('nsenter', [`--net=/run/netns/${name}`, 'true'], { encoding: 'utf8' })
  spawnSync('ip', ['netns', 'delete', name])
  return entered.status === 0 ? null : `a namespace cannot be entered: ${entered.stderr.trim()}`
}

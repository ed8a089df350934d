// Why a session with a password may not come up: segments with a wrong signature or none are
// dropped by the kernel, and no daemon hears of them; the kernel counts them, for a whole
// namespace (/proc/net/netstat). signatures.test.ts holds it.

import { readFileSync } from 'node:fs'
import type { PeerConfig } from '../engine.ts'

const WRONG = ['TCPMD5NotFound', 'TCPMD5Failure'] as const
const UNEXPECTED = 'TCPMD5Unexpected'

/** Segments dropped for their signatures, by the kernel's names of the counts. */
export type SignatureCounts = Readonly<Record<string, number>>

/** In the namespace of a process; none when it is gone. */
export function signatureCounts(pid: number | null): SignatureCounts {
  try {
    return countsIn(readFileSync(`/proc/${pid}/net/netstat`, 'utf8'))
  } catch {
    return {}
  }
}

/** Of the text of that file: a line of names, a line of numbers. */
export function countsIn(text: string): SignatureCounts {
  const [names = [], values = []] = text
    .split('\n')
    .filter(line => line.startsWith('TcpExt:'))
    .map(line => line.split(' '))
  const counts = names.map((name, i): [string, number] => [name, Number(values[i])])
  return Object.fromEntries(counts.filter(([name]) => name.startsWith('TCPMD5')))
}

/** What grew between two looks says of a peer whose session is not up; null: nothing. */
export function signatureFault(
  peer: PeerConfig,
  before: SignatureCounts,
  now: SignatureCounts
): string | null {
  const grew = (name: string): boolean => (now[name] ?? 0) > (before[name] ?? 0)
  if (peer.password !== null && WRONG.some(grew))
    return 'segments came with a wrong TCP-MD5 signature, or none: does the peer have the password?'
  if (peer.password === null && grew(UNEXPECTED))
    return 'segments came with a TCP-MD5 signature: the peer has a password, we have none'
  return null
}

// What the kernel has counted of TCP-MD5, and what it says of a peer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerConfig } from '../engine.ts'
import { countsIn, signatureCounts, signatureFault } from './signatures.ts'

const netstat = `TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure
TcpExt: 7 1 2 3
IpExt: InNoRoutes
IpExt: 4
`
const peer = (password: string | null) => ({ password }) as PeerConfig

test('the counts are read by their names', () => {
  const counts = { TCPMD5NotFound: 1, TCPMD5Unexpected: 2, TCPMD5Failure: 3 }
  assert.deepEqual(countsIn(netstat), counts)
  assert.deepEqual(countsIn(''), {})
  assert.deepEqual(signatureCounts(null), {})
})

test('a count that grew is the fault of a peer that it can be of', () => {
  const [none, some] = [{}, countsIn(netstat)]
  assert.match(signatureFault(peer('x'), none, some) ?? '', /wrong TCP-MD5 signature, or none/)
  assert.match(
    signatureFault(peer(null), none, some) ?? '',
    /the peer has a password, we have none/
  )
  for (const password of ['x', null]) assert.equal(signatureFault(peer(password), some, some), null)
  assert.equal(signatureFault(peer(null), none, { TCPMD5Failure: 9 }), null)
})

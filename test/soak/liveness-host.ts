// A host of liveness.ts in a process of its own: a native exchange on an address of the loopback
// network.  Tells its parent what it hears of others.
//   liveness-host.ts WORD COUNT BASE    its number, how many there are, the first address

import { NativeExchange } from '../../src/native/exchange.ts'
import { NativeStateTable } from '../../src/native/state-table.ts'
import { EXCHANGE_DEFAULT } from '../../src/state/exchange/exchange.ts'
import { TIMEOUTS_DEFAULT } from '../../src/state/timeouts.ts'
import type { Said } from './liveness.ts'

const PORT = 14_789 // 4789 may be a tunnel's of this machine
const KEY = new Uint8Array(32).map((_, i) => i * 7 + 1)

const [word, count, base] = process.argv.slice(2).map(Number) as [number, number, number]
const say = (said: Said): boolean => process.send!(said)

const exchange = new NativeExchange({
  host: word,
  table: new NativeStateTable({ capacity: 1000, timeouts: TIMEOUTS_DEFAULT }),
  port: PORT,
  settings: EXCHANGE_DEFAULT,
  listener: {
    released: () => {},
    imported: () => {},
    pulled: () => {},
    liveness: ({ word: of, host, agent }) => say({ is: 'liveness', of, host, agent }),
    joined: of => say({ is: 'joined', of }),
    owed: () => {},
    asked: () => {},
    told: () => {}
  }
})
const words = Array.from({ length: count }, (_, i) => i + 1)
exchange.setKey(KEY)
exchange.setPeers(
  words
    .filter(other => other !== word)
    .map(other => ({ word: other, address: base + other, local: base + word }))
)
process.on('message', () => say({ is: 'counters', of: exchange.counters() }))
process.on('disconnect', () => process.exit())

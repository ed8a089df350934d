// Any records that can be written as entries, for tests of bytes.

import fc from 'fast-check'
import { KeyWord, RECORD_WORDS, RecordWord } from '../../src/state/record.ts'
import { KINDS_MAX } from '../../src/state/table.ts'

const word = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff })
const words = (count: number) => fc.array(word, { minLength: count, maxLength: count })

/** Every record that can be written as an entry. */
export const anyRecord: fc.Arbitrary<Int32Array> = fc
  .record({
    kind: fc.integer({ min: 1, max: KINDS_MAX - 1 }),
    family: fc.constantFrom(4, 6),
    protocol: fc.nat(255),
    hasB: fc.boolean(),
    flags: fc.nat(255),
    rest: words(RECORD_WORDS)
  })
  .map(({ kind, family, protocol, hasB, flags, rest }) => {
    const record = Int32Array.from(rest)
    record[RecordWord.flags] = flags
    for (const key of [RecordWord.a, RecordWord.b]) {
      record[key + KeyWord.type] = (kind << 16) | (family << 8) | protocol
      if (family === 4)
        for (const address of [KeyWord.src, KeyWord.dst])
          record.fill(0, key + address, key + address + 3)
    }
    if (!hasB) record.fill(0, RecordWord.b, RecordWord.flags)
    return record
  })

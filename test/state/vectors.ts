// The golden vectors (vectors.json) as records, headers and bytes.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Header, KEY_BYTES } from '../../src/state/exchange/message.ts'
import { KeyWord, RECORD_WORDS, RecordWord } from '../../src/state/record.ts'
import { parseIp } from '../../src/wire/address.ts'

interface KeyText {
  readonly scope: readonly [string, string]
  readonly src: string
  readonly dst: string
  readonly srcPort: number
  readonly dstPort: number
}

interface EntryText {
  readonly name: string
  readonly kind: number
  readonly protocol: number
  readonly flags: number
  readonly generation: number
  readonly born: number
  readonly owner: string
  readonly ingress: number
  readonly egress: number
  readonly timeoutS: number
  readonly data: number
  readonly idleMs: number
  readonly a: KeyText
  readonly b: KeyText | null
  readonly hex: string
}

interface MessageText {
  readonly name: string
  readonly type: number
  readonly sender: string
  readonly receiver: string
  readonly own: string
  readonly theirs: string
  readonly sequence: number
  readonly body: string
  readonly hex: string
}

interface Vectors {
  readonly key: string
  readonly entries: readonly EntryText[]
  readonly keys: ReadonlyArray<{ readonly entry: string; readonly hex: string }>
  readonly messages: readonly MessageText[]
  readonly saved: { readonly wallMs: number; readonly entries: string[]; readonly hex: string }
}

const text = readFileSync(join(import.meta.dirname, 'vectors.json'), 'utf8')

export const vectors = JSON.parse(text) as Vectors

export const bytesOf = (hex: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(hex.match(/../g) ?? [], byte => Number.parseInt(byte, 16))

export const key = bytesOf(vectors.key)
if (key.length !== KEY_BYTES) throw new Error(`the key of the vectors has ${key.length} bytes`)

// Words are written in hex in the file, as they stand in the bytes.
const wordOf = (hex: string): number => Number.parseInt(hex, 16) | 0

export function recordOf(of: EntryText): Int32Array {
  const record = new Int32Array(RECORD_WORDS)
  writeKey(record, RecordWord.a, of, of.a)
  if (of.b !== null) writeKey(record, RecordWord.b, of, of.b)
  const { flags, generation, born, ingress, egress, timeoutS, data } = of
  const numbers = { flags, generation, born, ingress, egress, timeoutS, data }
  for (const [name, value] of Object.entries(numbers))
    record[RecordWord[name as keyof typeof numbers]] = value
  record[RecordWord.owner] = wordOf(of.owner)
  return record
}

function writeKey(record: Int32Array, at: number, of: EntryText, key: KeyText): void {
  const [src, dst] = [parseIp(key.src), parseIp(key.dst)]
  record[at + KeyWord.type] = (of.kind << 16) | (src.family << 8) | of.protocol
  for (let i = 0; i < 2; i++) record[at + KeyWord.scope + i] = wordOf(key.scope[i]!)
  record.set(src.words, at + KeyWord.src)
  record.set(dst.words, at + KeyWord.dst)
  record[at + KeyWord.ports] = (key.srcPort << 16) | key.dstPort
}

export const headerIn = ({
  type,
  sender,
  receiver,
  own,
  theirs,
  sequence
}: MessageText): Header => ({
  type,
  sender: wordOf(sender),
  receiver: wordOf(receiver),
  own: BigInt(`0x${own}`),
  theirs: BigInt(`0x${theirs}`),
  sequence
})

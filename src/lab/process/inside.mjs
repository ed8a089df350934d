// The helper process inside a namespace: TCP servers and clients, told what to do by lines of JSON
// on standard input and answering by lines on standard output. Plain JavaScript, because each
// namespace that streams has one and stripping types would cost each 30 ms and 10 MB.
//
// A stream's client first sends one line that says who speaks and how; then the speakers send a
// fixed pattern, a record every so often or as fast as it goes, and the listeners compare every
// byte with the pattern and note the longest time in which nothing came.

import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

// A prime, so that no loss of a round number of bytes goes unnoticed.
const PERIOD = 65521
const CHUNK = 64 * 1024
const HELLO_BYTES_MAX = 1024
const GAPS_MAX = 100
const STREAMS_MAX = 1000

const pattern = makePattern()
const servers = new Map()
const streams = new Map()

function makePattern() {
  const bytes = Buffer.alloc(PERIOD + CHUNK)
  let state = 1
  for (let i = 0; i < PERIOD; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    bytes[i] = state >>> 16
  }
  // Once more from the front, so that any piece of it is in one piece.
  for (let i = PERIOD; i < bytes.length; i++) bytes[i] = bytes[i - PERIOD]
  return bytes
}

/** One end of a connection: maybe speaks, maybe listens, always keeps the account. */
class Stream {
  sentBytes = 0
  receivedBytes = 0
  corruptAt = -1
  gapMaxMs = 0
  gaps = []
  ended = null
  #socket
  #options
  #timer
  #lastAt = performance.now()
  #startedAt = this.#lastAt

  constructor(socket, options, side) {
    this.#socket = socket
    this.#options = options
    this.side = side
    this.speaks = options.speaks === side || options.speaks === 'both'
    this.listens = options.speaks !== side
    socket.setNoDelay(true)
    socket.on('error', error => this.#end(error.code ?? error.message))
    socket.on('close', () => this.#end('closed'))
  }

  start() {
    this.#lastAt = this.#startedAt = performance.now()
    this.#socket.on('data', bytes => this.#receive(bytes))
    this.#socket.resume() // paused while its first line was read
    if (!this.speaks) return
    if (this.#options.everyMs > 0)
      this.#timer = setInterval(() => this.#send(this.#options.recordBytes), this.#options.everyMs)
    else this.#pump()
  }

  report() {
    if (this.listens && this.ended === null) this.#noteGap(performance.now())
    const { sentBytes, receivedBytes, corruptAt, gapMaxMs, gaps, ended } = this
    const { localPort, remotePort } = this
    const silentMs = performance.now() - this.#lastAt
    const ageMs = performance.now() - this.#startedAt
    const counts = { sentBytes, receivedBytes, corruptAt, gapMaxMs, gaps, silentMs, ageMs, ended }
    return { ...counts, localPort, remotePort }
  }

  /** Stops speaking; what is on its way still arrives. */
  hush() {
    clearInterval(this.#timer)
    this.speaks = false
  }

  close() {
    this.hush()
    this.#socket.destroy()
  }

  // A socket that takes no more is not filled further: memory stays small while a link is down.
  #send(length) {
    if (this.#socket.writableLength > 4 * CHUNK) return
    for (let left = length; left > 0; ) {
      const from = this.sentBytes % PERIOD
      const size = Math.min(left, CHUNK)
      this.#socket.write(pattern.subarray(from, from + size))
      this.sentBytes += size
      left -= size
    }
  }

  #pump() {
    if (!this.speaks || this.ended !== null) return
    this.#send(CHUNK)
    if (this.#socket.writableNeedDrain) this.#socket.once('drain', () => this.#pump())
    else setImmediate(() => this.#pump())
  }

  #receive(bytes) {
    const now = performance.now()
    this.#noteGap(now)
    this.#lastAt = now
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const piece = bytes.subarray(at, at + CHUNK)
      const from = this.receivedBytes % PERIOD
      const good = piece.equals(pattern.subarray(from, from + piece.length))
      if (!good && this.corruptAt < 0) this.corruptAt = this.receivedBytes
      this.receivedBytes += piece.length
    }
  }

  #noteGap(now) {
    const ms = now - this.#lastAt
    if (ms > this.gapMaxMs) this.gapMaxMs = ms
    if (ms < this.#options.gapMs || this.gaps.length >= GAPS_MAX) return
    this.gaps.push({ atMs: this.#lastAt - this.#startedAt, ms })
  }

  #end(reason) {
    if (this.ended !== null) return
    if (this.listens && this.#socket.bytesRead > 0) this.#noteGap(performance.now())
    this.ended = reason
    this.hush()
  }
}

const operations = {
  async serve({ port, host }) {
    const server = createServer(accept)
    await new Promise((resolve, reject) => {
      server.on('error', reject)
      server.listen({ port, host, backlog: 511 }, resolve)
    })
    const bound = server.address().port
    servers.set(bound, server)
    return { port: bound }
  },

  async unserve({ port }) {
    servers.get(port)?.close()
    servers.delete(port)
  },

  open(options) {
    const { key, host, port, from, timeoutMs } = options
    const startedAt = performance.now()
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, localAddress: from })
      const timer = setTimeout(() => {
        socket.destroy()
        reject(new Error(`no connection to ${host} port ${port} within ${timeoutMs} ms`))
      }, timeoutMs)
      const fault = error => {
        clearTimeout(timer)
        reject(error)
      }
      socket.once('error', fault)
      socket.once('connect', () => {
        clearTimeout(timer)
        socket.off('error', fault)
        const stream = keep(key, socket, options, 'client')
        socket.write(`${JSON.stringify(hello(options))}\n`)
        stream.start()
        resolve({ localPort: stream.localPort, connectMs: performance.now() - startedAt })
      })
    })
  },

  async knows({ key }) {
    return streams.has(key)
  },

  async report({ key }) {
    return known(key).report()
  },

  async hush({ key }) {
    known(key).hush()
  },

  async close({ key }) {
    const stream = known(key)
    const report = stream.report()
    stream.close()
    streams.delete(key)
    return report
  }
}

const hello = ({ key, speaks, everyMs, recordBytes, gapMs }) => ({
  key,
  speaks,
  everyMs,
  recordBytes,
  gapMs
})

// The first line, byte by byte as it comes; what follows it belongs to the stream.
function accept(socket) {
  let head = Buffer.alloc(0)
  socket.on('error', () => {})
  const read = bytes => {
    head = Buffer.concat([head, bytes])
    const end = head.indexOf(10)
    if (end < 0 && head.length <= HELLO_BYTES_MAX) return
    socket.off('data', read)
    socket.pause()
    try {
      const options = JSON.parse(head.subarray(0, end).toString('utf8'))
      if (end + 1 < head.length) socket.unshift(head.subarray(end + 1))
      keep(options.key, socket, options, 'server').start()
    } catch {
      socket.destroy() // a stranger
    }
  }
  socket.on('data', read)
}

function keep(key, socket, options, side) {
  if (streams.size >= STREAMS_MAX) throw new Error(`more than ${STREAMS_MAX} streams`)
  const stream = new Stream(socket, options, side)
  stream.localPort = socket.localPort
  stream.remotePort = socket.remotePort
  streams.set(key, stream)
  return stream
}

function known(key) {
  const stream = streams.get(key)
  if (stream === undefined) throw new Error(`no stream ${key} has arrived here`)
  return stream
}

const lines = createInterface({ input: process.stdin })
lines.on('line', async line => {
  const { id, op, ...rest } = JSON.parse(line)
  const answer = await perform(op, rest)
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`)
})
// The lab has ended, by whatever means.
lines.on('close', () => process.exit(0))

async function perform(op, rest) {
  try {
    return { result: (await operations[op](rest)) ?? null }
  } catch (error) {
    return { error: error.message }
  }
}

// TLS over bytes that somebody else carries: a client for those who have no socket.  Node's TLS is
// loaded when it is first used, for most threads never do.  Certificates are not checked:
// health checks ask whether a server answers, and a certificate says nothing of that.

import type { Duplex } from 'node:stream'

/** What carries the bytes of TLS, and hears what comes of it. */
export interface TlsCarrier {
  /** Encrypted bytes, to be sent to the other side. */
  send(bytes: Uint8Array): void
  /** The handshake is over; data may be written. */
  opened(): void
  /** Decrypted bytes from the other side. */
  data(bytes: Uint8Array): void
  /** The handshake failed, or TLS ended by a fault. */
  failed(): void
}

/** A TLS client without a socket. */
export interface TlsOver {
  /** Bytes to be encrypted and sent. */
  write(bytes: Uint8Array): void
  /** Bytes from the other end. */
  received(bytes: Uint8Array): void
  /** The other side has closed what carries the bytes. */
  ended(): void
  /** Lets go of everything; nothing is called any more. */
  close(): void
}

/** `servername`: told to the server, when there is one. */
export function openTls(servername: string | undefined, carrier: TlsCarrier): TlsOver {
  const early: Uint8Array[] = []
  let pipe: Duplex | null = null
  let socket: Duplex | null = null
  let closed = false
  const fail = (): void => {
    if (!closed) carrier.failed()
  }
  const begin = async (): Promise<void> => {
    const [{ Duplex }, { connect }] = await Promise.all([import('node:stream'), import('node:tls')])
    if (closed) return
    pipe = new Duplex({
      read: () => {},
      write: (chunk: Uint8Array, _encoding, done) => {
        if (!closed) carrier.send(new Uint8Array(chunk))
        done()
      }
    })
    const name = servername === undefined ? {} : { servername }
    const tls = connect({ socket: pipe, rejectUnauthorized: false, ...name })
    socket = tls
    tls.on('secureConnect', () => closed || carrier.opened())
    tls.on('data', (chunk: Uint8Array) => closed || carrier.data(new Uint8Array(chunk)))
    tls.on('error', fail)
    tls.on('end', fail)
    for (const bytes of early.splice(0)) pipe.push(bytes)
  }
  begin().catch(fail)
  return {
    write: bytes => {
      socket?.write(bytes)
    },
    received: bytes => {
      if (pipe === null) early.push(bytes.slice())
      else pipe.push(bytes.slice())
    },
    ended: () => {
      pipe?.push(null)
    },
    close: () => {
      closed = true
      socket?.destroy()
      pipe?.destroy()
    }
  }
}

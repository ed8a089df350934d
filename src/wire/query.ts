// ICMP questions and their answers (RFC 5508 §2): echo, and the old queries of IPv4.  They carry an
// id in the place of ports, by which the asker knows its answers.
//
// In the key of a connection the id stands at the asker's end, and at the other end a number that
// follows from it and from the kind of question: so a question, its answer, and a question that the
// other side asks with the same id are three different things, as they are with ports.

import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'

// Type of a question and of its answer, by kind.
const KINDS_4: readonly (readonly [number, number])[] = [
  [icmp.Type.echoRequest, icmp.Type.echoReply],
  [icmp.Type.timestamp, icmp.Type.timestampReply],
  [15, 16], // information
  [17, 18] // address mask
]
const KINDS_6: readonly (readonly [number, number])[] = [
  [icmpv6.Type.echoRequest, icmpv6.Type.echoReply]
]
const NODE_INFORMATION_REPLY = 140 // RFC 4620: an answer, but with a nonce instead of an id

const kindsOf = (family: 4 | 6) => (family === 4 ? KINDS_4 : KINDS_6)

/** Whether a message of this type carries an id. */
export const isQuery = (family: 4 | 6, type: number): boolean =>
  family === 4 ? icmp.hasId(type) : icmpv6.isEcho(type)

/** Whether it answers a question. */
export const isAnswer = (family: 4 | 6, type: number): boolean =>
  kindsOf(family).some(([, answer]) => answer === type) ||
  (family === 6 && type === NODE_INFORMATION_REPLY)

/** The type that a message of this type is answered by, or answers; itself where there is none. */
export function opposite(family: 4 | 6, type: number): number {
  for (const [question, answer] of kindsOf(family)) {
    if (type === question) return answer
    if (type === answer) return question
  }
  return type
}

/** What stands for ports in a key; 0 when the message has no id. */
export function queryPorts(family: 4 | 6, type: number, id: number): number {
  const kinds = kindsOf(family)
  for (let i = 0; i < kinds.length; i++) {
    const [question, answer] = kinds[i]!
    const other = (id + i + 1) & 0xffff
    if (type === question) return (id << 16) | other
    if (type === answer) return (other << 16) | id
  }
  return 0
}

// How far the number at the other end is from the id: positive at a question's destination.
const distance = (ports: number): number => (((ports & 0xffff) - (ports >>> 16)) << 16) >> 16

/** Whether such ports are those of a question. */
export const isQuestion = (ports: number): boolean => distance(ports) > 0

/** The id of such ports. */
export const idOf = (ports: number): number => (distance(ports) > 0 ? ports >>> 16 : ports & 0xffff)

/** The same with another id. */
export function withId(ports: number, id: number): number {
  const apart = distance(ports)
  const other = (id + Math.abs(apart)) & 0xffff
  return apart > 0 ? (id << 16) | other : (other << 16) | id
}

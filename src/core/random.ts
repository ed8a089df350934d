// Chance is a service. SystemRandom is for running hosts; SeededRandom makes a world that can
// be replayed. SeededRandom is never for secrets, ids or anything an attacker gains by guessing.

import { randomBytes, randomInt } from 'node:crypto'
import { token } from './token.ts'

/** Chance as a service: product code takes it as an argument, tests seed it. */
export interface Random {
  /** A whole number of 32 bits, unsigned. */
  uint32(): number
  /** A whole number from 0 to limit - 1; the limit is at most 2^32. */
  below(limit: number): number
  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean
  /** So many bytes of chance. */
  bytes(length: number): Uint8Array
}
export const Random = token<Random>('random')

const WORD = 0x1_0000_0000

/** Chance of the operating system, fit for secrets. */
export class SystemRandom implements Random {
  uint32(): number {
    return randomInt(WORD)
  }

  below(limit: number): number {
    return randomInt(limit)
  }

  chance(probability: number): boolean {
    return randomInt(WORD) < probability * WORD
  }

  bytes(length: number): Uint8Array {
    return new Uint8Array(randomBytes(length))
  }
}

/** xorshift32: small, seeded, good enough to shuffle a network. */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = stir(seed | 0) || 1
  }

  uint32(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  below(limit: number): number {
    return Math.floor((this.uint32() / WORD) * limit)
  }

  chance(probability: number): boolean {
    return this.uint32() < probability * WORD
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32() >>> 24)
  }
}

// The finaliser of MurmurHash3: without it the seeds 1, 2, 3 … begin with like numbers.
function stir(seed: number): number {
  let x = seed ^ 0x9e3779b9
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}

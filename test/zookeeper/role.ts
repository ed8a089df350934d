// The program in a role of config/, as a process of its own: settings by --set, ports that are
// free, and questions to its API.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test as testOfNode } from 'node:test'
import { Job, run } from '../../src/lab/index.ts'
import { type Answer, call } from '../api/fixture.ts'

const root = join(import.meta.dirname, '../..')
const MAIN = join(root, 'src/main.ts')
/** Of a busy machine. */
export const START_MS = 120_000
/** Of a test that starts it several times. */
export const TEST_MS = 400_000

/** A test that starts it. */
export const test = (name: string, body: () => Promise<void>): void => {
  void testOfNode(name, { timeout: TEST_MS }, body)
}

/** The line of a command. */
export const lineOf = (
  role: string,
  settings: Readonly<Record<string, unknown>>
): readonly string[] => [
  ...[process.execPath, MAIN, '--no-demo', '--config', join(root, 'config', `${role}.json`)],
  ...Object.entries(settings).flatMap(([key, value]) => [
    '--set',
    `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`
  ])
]

/** What it says when it does not start. */
export async function refusalOf(
  role: string,
  settings: Readonly<Record<string, unknown>>
): Promise<string> {
  const { status, stderr } = await run(lineOf(role, settings), { timeoutMs: START_MS })
  assert.equal(status, 1, stderr)
  return stderr
}

/** One that runs. */
export class Role {
  readonly job: Job
  readonly url: string
  readonly #token: string | undefined

  /** Resolves when it is ready. */
  static async start(
    role: string,
    settings: Readonly<Record<string, unknown>>,
    token?: string,
    env: Readonly<Record<string, string>> = {}
  ): Promise<Role> {
    const job = new Job(lineOf(role, settings), { env })
    try {
      await job.waitFor(/"ready"|^mezzo: /m, START_MS)
      const url = /"url":"(http[^"]+)","msg":"the API listens"/.exec(job.output)?.[1]
      assert.ok(url !== undefined, job.output)
      return new Role(job, url, token)
    } catch (error) {
      await job.stop('SIGKILL')
      throw error
    }
  }

  private constructor(job: Job, url: string, token: string | undefined) {
    this.job = job
    this.url = url
    this.#token = token
  }

  /** A request with its token. */
  ask(path: string, method = 'GET', body?: unknown, more: object = {}): Promise<Answer> {
    const token = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    return call(`${this.url}${path}`, method, body, { ...token, ...more })
  }

  /** As systemd does it; gives the exit code. */
  async stop(): Promise<number | null> {
    this.job.signal('SIGTERM')
    return (await this.job.exited).status
  }
}

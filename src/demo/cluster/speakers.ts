// What speaks at uplinks beside the agents: programs in a namespace of each uplink port, which
// outlive the agent, as they are meant to. With a gateway of the demo they die; with the demo they
// go. Both namespace and folder are called after the beginning of the port's id.
// test/lab/demo-cluster.test.ts holds it.

import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { must, until } from '../../lab/index.ts'

const NAMESPACES = '/run/netns'
const FOLDERS = '/run'
const GONE_MS = 10_000

const shortOf = (port: string): string => port.slice(0, 8)

/** The namespaces there are of these ports. */
export const namespacesOf = (ports: readonly string[]): string[] =>
  listOf(NAMESPACES).filter(name => ports.some(port => name.endsWith(`-${shortOf(port)}`)))

/** The folders there are of these ports. */
export const foldersOf = (ports: readonly string[]): string[] =>
  listOf(FOLDERS)
    .filter(name => name.startsWith('mezzo-'))
    .flatMap(name => ports.map(port => join(FOLDERS, name, shortOf(port))))
    .filter(existsSync)

/** kill -9 of all that speaks for these ports; resolves when it has ended. */
export async function silence(ports: readonly string[]): Promise<void> {
  for (const name of namespacesOf(ports))
    await until(`nothing runs in ${name}`, () => kill(name), GONE_MS)
}

/** Nothing of these ports is left; their agents have ended. */
export async function clear(ports: readonly string[]): Promise<void> {
  await silence(ports)
  for (const name of namespacesOf(ports)) await must(['ip', 'netns', 'delete', name])
  for (const folder of foldersOf(ports)) {
    rmSync(folder, { recursive: true, force: true })
    const above = join(folder, '..')
    if (listOf(above).length === 0) rmdirSync(above)
  }
}

async function kill(name: string): Promise<boolean> {
  const pids = (await must(['ip', 'netns', 'pids', name])).split('\n').filter(Boolean)
  for (const pid of pids)
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  return pids.length === 0
}

const listOf = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : [])

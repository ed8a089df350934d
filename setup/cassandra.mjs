// The artifacts of the Cassandra node that tests run, by Maven. Its classpath is kept in a file,
// with the pom it was made of; the tests only read it, so that no download is on a test's clock.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { isThere, root } from './files.mjs'
import { Progress, run, say } from './progress.mjs'

const pom = join(root, 'src/lab/services/cassandra/pom.xml')
const folder = join(root, 'node_modules/.cache/cassandra')
const classpath = join(folder, 'classpath')
const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath'
const LIMIT_MS = 10 * 60_000
// How many an empty repository downloads for this pom and this goal, jars and their poms.
const FILES = 500

/** Whether the tests will find all of it. */
export async function fetchArtifacts() {
  if (areThere()) return true
  const missing = ['java', 'mvn'].filter(program => !isThere(program))
  if (missing.length > 0) {
    say(`no Cassandra node without ${missing.join(', ')}: its tests are skipped`)
    return false
  }
  mkdirSync(folder, { recursive: true })
  const progress = new Progress('Cassandra node (Maven artifacts)')
  let files = 0
  const faults = []
  const { status, said } = await run(
    'mvn',
    ['-B', '-f', pom, goal, `-Dmdep.outputFile=${classpath}`],
    {
      limitMs: LIMIT_MS,
      onLine: line => {
        if (/^(\[INFO\] )?Downloaded from /.test(line))
          progress.at(`${++files} of about ${FILES} files`)
        if (line.startsWith('[ERROR]')) faults.push(line)
      }
    }
  )
  if (status === 0) writeFileSync(`${classpath}.pom`, readFileSync(pom))
  if (status === 0 && areThere()) {
    progress.done(`${files} files fetched`)
    return true
  }
  progress.done(`failed after ${files} files`)
  say(
    `mvn: ${status === null ? 'killed, or not started' : `status ${status}`}; its tests are skipped`
  )
  say([...faults.slice(0, 5), said].join('\n').trim())
  return false
}

function areThere() {
  if (!existsSync(classpath) || !existsSync(`${classpath}.pom`)) return false
  if (readFileSync(`${classpath}.pom`, 'utf8') !== readFileSync(pom, 'utf8')) return false
  const jars = readFileSync(classpath, 'utf8').trim()
  return jars !== '' && jars.split(delimiter).every(jar => existsSync(jar))
}

// The program, loaded by src/main.ts.  `npm start` shows the demo: four hosts in namespaces of
// their own making, tenants, virtual machines.  `--no-demo` runs the bare appliance of config/: one
// host, the real interfaces. test/launch.test.ts holds it.

import { relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { loadResources, pluginSections } from '../agent/resources.ts'
import { loadConfig, parseOverrides } from '../core/config/config.ts'
import { fail, MezzoError } from '../core/errors.ts'
import { openLog } from '../core/log.ts'
import { runAppliance } from './run.ts'
import { checkSecrets, settingsOf } from './secrets.ts'
import { sectionsOf } from './settings.ts'

const USAGE = `usage: npm start -- [options]
  --once           build the demo, check every pair, kill a gateway, move a port, print
                   what became of the connections, take it all down
  --json           with --once: print the result as JSON
  --memory         the demo without a kernel, as on a machine without root
  --cluster        the demo as a cluster: ZooKeeper, Cassandra, a controller and agents, each a
                   process of its own; with --once, ZooKeeper dies under traffic
  --no-demo        run the bare appliance
  --config FILE    the configuration (default config/demo.json, with --no-demo
                   config/appliance.json)
  --plugins DIR    a folder of further plugins; may be given several times
  --set KEY=VALUE  a setting that wins over the file, such as api.port=0
  --help           this text`

class UsageError extends Error {}

// What parseArgs throws.
const isParseError = (error: unknown): boolean =>
  error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')

// Sections of the settings that the demo does not read.
const ownToDemo = ['host', 'store', 'cluster', 'bindings', 'datapath', 'ports', 'metrics']

const roles = new URL('../../config/', import.meta.url)

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      memory: { type: 'boolean', default: false },
      cluster: { type: 'boolean', default: false },
      demo: { type: 'boolean', default: true },
      config: { type: 'string' },
      plugins: { type: 'string', multiple: true, default: [] },
      set: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false }
    },
    allowNegative: true
  })
  if (values.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const { once, json, memory, cluster, demo } = values
  if (json && !once) throw new UsageError('--json needs --once')
  if (!demo && (once || memory || cluster))
    throw new UsageError('--no-demo goes with none of --once, --memory and --cluster')
  if (cluster && memory)
    throw new UsageError('--cluster has processes of its own, for which --memory has no place')
  const plugins = await loadResources(values.plugins.map(dir => pathToFileURL(`${dir}/`)))
  const file = values.config ?? roleFile(demo ? 'demo' : 'appliance')
  const overrides = parseOverrides(values.set)
  checkSecrets(file, overrides)
  if (demo) checkDemo(file, overrides)
  const sections = sectionsOf(plugins)
  const config = loadConfig({ file, sections, plugins: pluginSections(plugins), overrides })
  // What it left behind, a disk that does not answer, would keep the process.
  if (!demo) process.exit(await runAppliance(config, plugins, openLog(config.log)))
  const { runDemo } = await import('../demo/demo.ts')
  return runDemo({ once, json, memory, cluster, config, plugins })
}

// What the demo would leave out in silence is refused.
function checkDemo(file: string, overrides: Readonly<Record<string, unknown>>): void {
  const inFile = Object.entries(settingsOf(file) ?? {})
  const given = Object.entries(overrides).map(([key, value]) => [`--set ${key}`, value] as const)
  for (const [field, value] of [...given, ...inFile]) {
    const section = field.replace('--set ', '').split('.')[0]!
    if (ownToDemo.includes(section))
      throw fail('INVALID', {
        field,
        value: JSON.stringify(value),
        expected: 'nothing in the demo, whose hosts have their own; --no-demo takes it'
      })
  }
}

// Wherever we are started from; said the short way when that is the tree, since errors name it.
function roleFile(role: string): string {
  const path = fileURLToPath(new URL(`${role}.json`, roles))
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}

try {
  process.exitCode = await main()
} catch (error) {
  const usage = error instanceof UsageError || isParseError(error)
  if (!(error instanceof MezzoError) && !usage) throw error
  process.stderr.write(`mezzo: ${(error as Error).message}\n${usage ? `${USAGE}\n` : ''}`)
  process.exitCode = usage ? 2 : 1
}

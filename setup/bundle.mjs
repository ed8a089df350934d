// One file of a package that is hundreds: half of a start of ours was Node finding and reading
// those of typebox (683 of 864 modules of the command line). esbuild puts what each of the doors
// of the package leads to in the place of that door; types stay as they are, and so does the whole
// package when this fails, for it is only faster.

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './files.mjs'
import { say } from './progress.mjs'

const packages = join(root, 'node_modules')
const bundled = ['typebox']

/** Once for each install of a package: npm lays it anew, without our mark. */
export async function bundlePackages() {
  for (const name of bundled) {
    const folder = join(packages, name)
    const mark = join(folder, '.mezzo-bundled')
    if (!existsSync(folder) || existsSync(mark)) continue
    try {
      await bundle(folder)
      writeFileSync(mark, '')
    } catch (error) {
      say(`${name} stays in many files, which only makes starts slower: ${error.message}`)
    }
  }
}

async function bundle(folder) {
  const esbuild = await import(pathToFileURL(join(packages, 'esbuild', 'lib', 'main.js')).href)
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const doors = [...new Set(Object.values(exports).map(door => door.import))]
  const outdir = join(folder, 'build')
  const { outputFiles } = await esbuild.build({
    entryPoints: doors.map(door => join(folder, door)),
    outbase: outdir,
    outdir,
    outExtension: { '.js': '.mjs' },
    ...{ bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node24' },
    ...{ write: false, logLevel: 'silent', legalComments: 'inline' }
  })
  // What the doors share before the doors: whoever starts meanwhile finds the old ones or the new.
  const isDoor = ({ path }) => doors.includes(`./${relative(folder, path)}`)
  for (const file of outputFiles.toSorted((a, b) => isDoor(a) - isDoor(b))) {
    const fresh = join(dirname(file.path), `.${process.pid}.fresh`)
    try {
      writeFileSync(fresh, file.contents)
      renameSync(fresh, file.path)
    } finally {
      rmSync(fresh, { force: true })
    }
  }
}

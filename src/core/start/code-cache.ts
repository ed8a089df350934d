// Keeps compiled code between starts, in the tree and nowhere else: code that root runs must not
// lie in a folder that others may write.  Called first, before anything else is loaded.

import { constants, enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

const codeCacheFolder = fileURLToPath(
  new URL('../../../node_modules/.cache/mezzo', import.meta.url)
)

/** False where the folder cannot be written: then every start compiles anew. */
export const cacheCode = (): boolean =>
  enableCompileCache(codeCacheFolder).status !== constants.compileCacheStatus.FAILED
